/* Two lists become one; texts that repeat each other are known. */
#include "search/fuse.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const StoreHit lexical[] = { { 7, 9.0 }, { 3, 6.0 }, { 5, 1.0 } };
static const VectorsHit vector[] = { { 3, 0.5f }, { 9, 0.25f }, { 7, 0.125f } };

Test(search_fuse, scores_of_both_lists_are_added_by_weight) {
    FusedHit hits[6];
    cr_assert_eq(fuse_lists(lexical, 3, vector, 3, 8.0, hits), 4);
    const FusedHit expected[] = {
        { .passage = 3, .score = 10.0, .lexical_score = 6.0, .vector_score = 0.5 },
        { .passage = 7, .score = 10.0, .lexical_score = 9.0, .vector_score = 0.125 },
        { .passage = 9, .score = 2.0, .lexical_score = 0.0, .vector_score = 0.25 },
        { .passage = 5, .score = 1.0, .lexical_score = 1.0, .vector_score = 0.0 },
    };
    const size_t lexical_ranks[] = { 2, 1, 0, 3 }, vector_ranks[] = { 1, 3, 2, 0 };
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(hits[i].passage, expected[i].passage, "place %zu", i);
        cr_assert_eq(hits[i].score, expected[i].score, "place %zu: %f", i, hits[i].score);
        cr_assert_eq(hits[i].lexical_score, expected[i].lexical_score);
        cr_assert_eq(hits[i].vector_score, expected[i].vector_score);
        cr_assert_eq(hits[i].lexical_rank, lexical_ranks[i]);
        cr_assert_eq(hits[i].vector_rank, vector_ranks[i]);
    }
}

Test(search_fuse, one_list_alone_keeps_its_order) {
    FusedHit hits[3];
    cr_assert_eq(fuse_lists(lexical, 3, NULL, 0, 4.0, hits), 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(hits[i].passage, lexical[i].passage);
        cr_assert_eq(hits[i].score, lexical[i].score);
        cr_assert_eq(hits[i].lexical_rank, i + 1);
        cr_assert_eq(hits[i].vector_rank, 0);
    }
    cr_assert_eq(fuse_lists(NULL, 0, vector, 3, 4.0, hits), 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(hits[i].passage, vector[i].id);
        cr_assert_eq(hits[i].score, 4.0 * (double)vector[i].score);
        cr_assert_eq(hits[i].lexical_rank, 0);
        cr_assert_eq(hits[i].vector_rank, i + 1);
    }
}

Test(search_fuse, nothing_and_nothing_is_nothing) {
    FusedHit hits[1];
    cr_assert_eq(fuse_lists(NULL, 0, NULL, 0, 4.0, hits), 0);
}

Test(search_fuse, ties_go_to_the_smaller_id_whatever_the_order_of_the_lists) {
    const StoreHit words[] = { { 40, 2.0 }, { 10, 2.0 } };
    const VectorsHit near[] = { { 30, 0.5f }, { 20, 0.5f } };
    FusedHit hits[4];
    cr_assert_eq(fuse_lists(words, 2, near, 2, 4.0, hits), 4);
    for (size_t i = 0; i < 4; i++) cr_assert_eq(hits[i].passage, (int64_t)(10 * (i + 1)));
}

Test(search_fuse, a_weight_of_0_leaves_the_lexical_order) {
    FusedHit hits[6];
    cr_assert_eq(fuse_lists(lexical, 3, vector, 3, 0.0, hits), 4);
    const int64_t expected[] = { 7, 3, 5, 9 };
    for (size_t i = 0; i < 4; i++) cr_assert_eq(hits[i].passage, expected[i]);
}

/* ---- near-duplicates ---- */

static bool near(const char *a, const char *b) {
    FuseSketch x, y;
    cr_assert_eq(fuse_sketch_init(slice_of(a), &x, NULL), STATUS_OK);
    cr_assert_eq(fuse_sketch_init(slice_of(b), &y, NULL), STATUS_OK);
    bool one = fuse_is_near_duplicate(&x, &y), other = fuse_is_near_duplicate(&y, &x);
    cr_assert_eq(one, other, "near is mutual");
    fuse_sketch_deinit(&x);
    fuse_sketch_deinit(&y);
    return one;
}

#define LICENCE                                                                                    \
    "The licence asks companies with more than 700 million monthly users to request a separate "   \
    "permission, which the owner may grant or refuse as it sees fit, and it says that nobody may " \
    "use the model's outputs to improve another large language model"

Test(search_fuse, texts_that_differ_in_case_marks_and_a_word_repeat_each_other) {
    cr_assert(near(LICENCE, LICENCE));
    cr_assert(near(LICENCE, LICENCE "!"));
    cr_assert(near(LICENCE ".",
                   "THE LICENCE ASKS"
                   " companies with more than 700 million monthly "
                   "users - to request a separate permission, which the owner may grant or refuse "
                   "as it sees fit; and it says that nobody may use the model's outputs to improve "
                   "another large language model"));
    cr_assert(near(LICENCE, LICENCE " today"));
}

Test(search_fuse, texts_on_the_same_subject_do_not) {
    cr_assert(!near(LICENCE, "Companies with more than 700 million monthly users must ask for a "
                             "permission of their own, says the licence of the model, and its "
                             "outputs may not be used to make other large language models better"));
    cr_assert(!near(LICENCE, LICENCE ". Two lawyers who were asked about the clause found that it "
                                     "is aimed at a handful of firms, all of them competitors"));
    cr_assert(!near("The bridge was opened in 1883", "The bridge was opened in 1903"));
}

/* A table of the same words in another order is another table. */
Test(search_fuse, the_order_of_words_counts) {
    cr_assert(!near("red green blue white black grey pink brown",
                    "brown pink grey black white blue green red"));
}

#define ZH                                                                                                                                    \
    "诺曼人是在十世纪和十一世纪把名字赋予法国诺曼底地区的人民他们是来自丹麦冰岛和挪威的北欧海盗" \
    "的后裔在首领罗洛的带领下同意向西法兰克的国王查理三世宣誓效忠"
#define TH "ชาวนอร์มันเป็นผู้คนที่ให้ชื่อแก่แคว้นนอร์มังดีในศตวรรษที่สิบและสิบเอ็ดพวกเขาสืบเชื้อสายมาจากผู้บุกรุกชาวนอร์ส"

Test(search_fuse, chinese_and_thai_without_spaces_are_compared_in_pieces) {
    cr_assert(near(ZH, ZH));
    cr_assert(near(ZH, "据说" ZH));
    cr_assert(near("从前" ZH, ZH "了"));
    cr_assert(!near(ZH, "蒸汽机是利用蒸汽作为工作流体进行机械功的热机它使用蒸汽在气缸内来回推动活塞"
                        "从而产生力这种推力通过连杆和飞轮转化为旋转力用于做功"));
    cr_assert(near(TH, TH));
    cr_assert(near(TH, "ว่ากันว่า" TH));
    cr_assert(!near(TH, "เครื่องจักรไอน้ำเป็นเครื่องยนต์ความร้อนที่ทำงานเชิงกลโดยใช้ไอน้ำเป็นสารทำงาน"));
}

Test(search_fuse, an_empty_text_is_like_no_other) {
    cr_assert(!near("", LICENCE));
    cr_assert(!near("-- ** --", LICENCE));
}

Test(search_fuse, a_sketch_has_each_pair_once_and_in_order) {
    FuseSketch sketch;
    cr_assert_eq(fuse_sketch_init(SLICE("tick tock tick tock tick tock tick"), &sketch, NULL),
                 STATUS_OK);
    cr_assert_eq(sketch.n, 3); /* (start, tick), (tick, tock), (tock, tick) */
    for (size_t i = 1; i < sketch.n; i++) cr_assert_lt(sketch.pairs[i - 1], sketch.pairs[i]);
    fuse_sketch_deinit(&sketch);
    cr_assert_null(sketch.pairs);
}
