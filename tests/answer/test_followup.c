/* What a question is read with after another, as rows; what that does to the search is in
 * tests/system/test_conversation.py. */
#include "answer/followup.h"
#include "base/buf.h"

#include <criterion/criterion.h>

typedef struct Row {
    const char *language, *before, *question;
    const char *with; /* NULL = it stands alone, or may */
} Row;

static const Row rows[] = {
    /* pronouns and what goes on */
    { "it", "Cosa vieta l'AI Act?", "E quando è entrata in vigore?", "AI Act" },
    { "it", "Cosa vieta l'AI Act?", "Quando è entrata in vigore?", "AI Act" },
    { "it", "Cosa vieta l'AI Act?", "Chi deve rispettare questa legge?", "AI Act" },
    { "it", "Cosa vieta l'AI Act?", "Quali sono le sanzioni?", "AI Act" },
    { "it", "Cosa vieta l'AI Act?", "Perché?", "AI Act" },
    { "it", "Cosa vieta l'AI Act?", "E quali multe rischia chi viola il divieto?", "AI Act" },
    { "it", "Chi guida il Garante?", "Quali sono i suoi poteri?", "Garante" },
    { "en", "What does the AI Act ban?", "When did it enter into force?", "AI Act" },
    { "en", "What does the AI Act ban?", "And who enforces the rules?", "AI Act" },
    { "en", "What does the AI Act ban?", "What are the penalties?", "AI Act" },
    { "en", "What does the AI Act ban?", "Why?", "AI Act" },
    { "en", "On what date was Llama 2 released?", "When did Meta announce it?", "Llama 2" },
    { "en", "what does the ai act ban?", "When did it enter into force?", "ai act ban" },
    /* what was read before stays the topic */
    { "it", "E quando è entrata in vigore? (AI Act)", "E chi la applica?", "AI Act" },
    /* another thing, a further condition */
    { "it", "Quando è stata fondata OpenAI?", "E Anthropic?", "Quando è stata fondata" },
    { "en", "When was OpenAI founded?", "And Anthropic?", "When was founded" },
    { "en", "When was OpenAI founded?", "What about Anthropic?", "When was founded" },
    { "it", "Quando entra in vigore l'AI Act?", "E in Italia?", "Quando entra in vigore l'AI Act" },
    { "en", "How many users did ChatGPT have?", "And in 2024?", "How many users did ChatGPT have" },
    /* alone */
    { "it", "Cosa vieta l'AI Act?", "Quando è stata fondata OpenAI?", NULL },
    { "it", "Cosa vieta l'AI Act?", "Che cos'è il riconoscimento facciale?", NULL },
    { "it", "Cosa vieta l'AI Act?", "Che cos'è un deepfake?", NULL },
    { "it", "Cosa vieta l'AI Act?", "Cosa sono i deepfake?", NULL },
    { "it", "Cosa vieta l'AI Act?", "Qual è la capitale della Francia?", NULL },
    { "it", "Cosa vieta l'AI Act?", "E chi ha fondato Mistral AI nel 2023?", NULL },
    { "it", "Cosa vieta l'AI Act?", "Come funziona il riconoscimento facciale nelle stazioni?",
      NULL },
    { "en", "What does the AI Act ban?", "When was OpenAI founded?", NULL },
    { "en", "What does the AI Act ban?", "What is encryption?", NULL },
    { "en", "What does the AI Act ban?", "What is the capital of France?", NULL },
    { "en", "What does the AI Act ban?", "Does Meta publish its models?", NULL },
    { "en", "What does the AI Act ban?", "How does facial recognition work?", NULL },
    { "de", "Was verbietet der AI Act?", "Wann wurde OpenAI gegründet?", NULL },
    { "en", "", "When did it enter into force?", NULL },
};

Test(followup, reads_each_with_what_it_refers_to) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO_ARENA Arena arena = ARENA_NULL;
        AUTO_BUF Buf expected = BUF_NULL;
        Err err = { 0 };
        FollowupReadings readings;
        buf_append_string(&expected, rows[i].question);
        if (rows[i].with) buf_printf(&expected, " (%s)", rows[i].with);
        cr_assert_eq(followup_readings(slice_of(rows[i].question), rows[i].language,
                                       slice_of(rows[i].before), &arena, &readings, &err),
                     STATUS_OK);
        size_t at = 0; /* one that may stand alone is read so too */
        while (!rows[i].with && !readings.is_sure && at + 1 < readings.n &&
               !slice_equal(readings.texts[at], buf_slice(&expected))) {
            at++;
        }
        Slice read = readings.texts[at];
        cr_expect(slice_equal(read, buf_slice(&expected)), "%s -> %.*s, not %s", rows[i].before,
                  SLICE_ARGS(read), expected.p);
    }
}

Test(followup, takes_no_more_than_it_may) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    AUTO_BUF Buf before = BUF_NULL;
    Err err = { 0 };
    FollowupReadings readings;
    for (int i = 0; i < 1000; i++) buf_printf(&before, "word%d ", i);
    cr_assert_eq(followup_readings(SLICE("Why is it so?"), "en", buf_slice(&before), &arena,
                                   &readings, &err),
                 STATUS_OK);
    cr_assert_gt(readings.texts[0].n, strlen("Why is it so?"));
    cr_assert_leq(readings.texts[0].n, FOLLOWUP_MAX_BYTES + 32);
}
