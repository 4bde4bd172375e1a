// Loads a configuration: document (where everything stands), schema (libcyaml: structure), fill
// (values and defaults), consistency (values against each other). The result is immutable, counted,
// and freed by whoever lets go last.
#include "config/configuration.h"
#include "config/consistency.h"
#include "config/document.h"
#include "config/fill.h"
#include "config/schema.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct holder {
    struct configuration configuration; // first: what callers see
    atomic_uint references;
};

static void
holder_free(struct holder *holder)
{
    fill_free(&settings, &holder->configuration);
    free(holder->configuration.path);
    free(holder);
}

static bool
fill_holder(struct holder *holder, struct document *document, struct schema *schema, char *error)
{
    struct fill fill = {
        .document = document,
        .schema = schema,
        .error = error,
        .error_size = CONFIGURATION_ERROR_SIZE,
    };

    holder->configuration.path = strdup(document->path);
    if (!holder->configuration.path) {
        snprintf(error, CONFIGURATION_ERROR_SIZE, "%s: out of memory", document->path);
        return false;
    }
    return fill_group(&fill, &settings, schema_slots(schema), document_root(document),
                      &holder->configuration) &&
           consistency_check(&fill, &holder->configuration);
}

const struct configuration *
configuration_load(const char *path, char error[CONFIGURATION_ERROR_SIZE])
{
    struct document document;

    error[0] = '\0';
    if (!document_init(&document, path, error, CONFIGURATION_ERROR_SIZE))
        return NULL;

    struct holder *holder = NULL;
    struct schema *schema = schema_load(&document, error, CONFIGURATION_ERROR_SIZE);

    if (!schema)
        goto out_document;
    holder = calloc(1, sizeof *holder);
    if (!holder) {
        snprintf(error, CONFIGURATION_ERROR_SIZE, "%s: out of memory", path);
        goto out_schema;
    }
    atomic_init(&holder->references, 1);
    if (!fill_holder(holder, &document, schema, error)) {
        holder_free(holder);
        holder = NULL;
    }
out_schema:
    schema_free(&schema);
out_document:
    document_fini(&document);
    return holder ? &holder->configuration : NULL;
}

const struct configuration *
configuration_ref(const struct configuration *configuration)
{
    struct holder *holder = (struct holder *)(uintptr_t)configuration;

    atomic_fetch_add_explicit(&holder->references, 1, memory_order_relaxed);
    return configuration;
}

void
configuration_unref(const struct configuration **configuration)
{
    struct holder *holder = (struct holder *)(uintptr_t)*configuration;

    *configuration = NULL;
    if (holder && atomic_fetch_sub_explicit(&holder->references, 1, memory_order_acq_rel) == 1)
        holder_free(holder);
}

const struct configuration_database *
configuration_database(const struct configuration *configuration, const char *name)
{
    const struct configuration_database *any = NULL;

    for (size_t i = 0; i < configuration->database_count; i++) {
        if (strcmp(configuration->databases[i].name, name) == 0)
            return &configuration->databases[i];
        if (strcmp(configuration->databases[i].name, "*") == 0)
            any = &configuration->databases[i];
    }
    return any;
}

const char *
auth_type_name(enum auth_type type)
{
    return settings_auth_types[type];
}

const char *
lag_probe_name(enum lag_probe probe)
{
    return settings_lag_probes[probe];
}
