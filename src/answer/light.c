/* The table is counted by script/calibrate on the development data: in how many of the questions
 * with a stem the passage that answers has it, against the same for all stems; only stems that
 * stand in questions about several articles. */
#include "answer/light.h"

#include "base/mem.h"

typedef struct LightWord {
    const char *language, *stem;
    unsigned char percent;
} LightWord;

static const LightWord light_words[] = {
#include "answer/light_words.h"
};

double light_share(const char *language, Slice stem) {
    for (size_t i = 0; i < N_ELEMENTS(light_words); i++) {
        const LightWord *w = &light_words[i];
        if (strcmp(w->language, language) == 0 && slice_equal(slice_of(w->stem), stem)) {
            return w->percent / 100.0;
        }
    }
    return 1;
}
