// Answers as JSON: an array of objects, the columns' names as keys. For the HTTP interface and the report.
#ifndef PROXY_REPORT_ANSWER_JSON_H
#define PROXY_REPORT_ANSWER_JSON_H

#include "proxy/report/answer.h"
#include <jansson.h>

json_t *answer_to_json(const struct answer *answer); // a new reference; NULL: no memory
json_t *answer_row_to_json(const struct answer *answer, size_t row);

#endif
