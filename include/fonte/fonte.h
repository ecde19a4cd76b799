#pragma once
/* Everything in libfonte. */
#include <fonte/bench.h>
#include <fonte/client.h>
#include <fonte/fetch.h>
#include <fonte/index.h>
#include <fonte/llm.h>
#include <fonte/model.h>
#include <fonte/status.h>
#include <fonte/types.h>
