#pragma once
/* A model that is served, as a generator. */
#include "answer/generator.h"
#include "engine/engine.h"

/* All are borrowed as long as the generator is used. */
void generator_engine_init(Generator *ret, Engine *engine, TemplateKind template_kind,
                           const char *name, const char *model_hash, const char *arithmetic);
