// Going through a parse tree whatever its nodes are, by protobuf's own descriptions; and, that way, which columns a
// statement can name: the last parts of its column names, or all where a star, NATURAL or a list of columns stands.
#include "compare/sql/rewrite_names.h"

#include <string.h>

const char *
renaming_string(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval
                                                                          : NULL;
}

void
renaming_each(struct renaming *renaming, const ProtobufCMessage *message, renaming_visitor *visit)
{
    for (unsigned i = 0; i < message->descriptor->n_fields && renaming->because == NULL; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *at = (const char *)message + field->offset;
        const char *quantifier = (const char *)message + field->quantifier_offset;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            const ProtobufCMessage *const *list;
            size_t count;
            memcpy(&list, at, sizeof(list));
            memcpy(&count, quantifier, sizeof(count));
            for (size_t k = 0; k < count && renaming->because == NULL; k++)
                visit(renaming, list[k]);
            continue;
        }
        uint32_t which = field->id;
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
            memcpy(&which, quantifier, sizeof(which));
        const ProtobufCMessage *child;
        memcpy(&child, at, sizeof(child));
        if (which == field->id && child != NULL)
            visit(renaming, child);
    }
}

static void
use(struct renaming *renaming, const char *name)
{
    if (name == NULL)
        return;
    const char **larger = renaming_grow(renaming, renaming->used, renaming->used_count,
                                        &renaming->used_capacity, sizeof(*renaming->used));
    if (larger == NULL)
        return;
    renaming->used = larger;
    renaming->used[renaming->used_count++] = name;
}

void
renaming_collect(struct renaming *renaming, const ProtobufCMessage *message)
{
    if (message->descriptor == &pg_query__column_ref__descriptor) {
        const PgQuery__ColumnRef *reference = (const PgQuery__ColumnRef *)message;
        const PgQuery__Node *last =
            reference->n_fields == 0 ? NULL : reference->fields[reference->n_fields - 1];
        renaming->uses_all |= renaming_string(last) == NULL;
        use(renaming, renaming_string(last));
    } else if (message->descriptor == &pg_query__join_expr__descriptor) {
        const PgQuery__JoinExpr *join = (const PgQuery__JoinExpr *)message;
        renaming->uses_all |= join->is_natural;
        for (size_t i = 0; i < join->n_using_clause; i++)
            use(renaming, renaming_string(join->using_clause[i]));
    } else if (message->descriptor == &pg_query__alias__descriptor) {
        renaming->uses_all |= ((const PgQuery__Alias *)message)->n_colnames > 0;
    }
    renaming_each(renaming, message, renaming_collect);
}
