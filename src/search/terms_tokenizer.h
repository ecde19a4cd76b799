#pragma once
/* The lexical index's view of text: words and stems of text/terms.h, as a StoreTokenizer.
 * Threads: as StoreTokenizer says: an instance has one owner at a time. */
#include "store/store.h"

/* Static; its id names the terms' version together with those of the libraries behind them. */
const StoreTokenizer *terms_tokenizer(void);
