// What each path gives: requests in, pages out, without the HTTP library.
#ifndef PROXY_REPORT_HTTP_PAGE_H
#define PROXY_REPORT_HTTP_PAGE_H

#include "proxy/instance.h"

enum http_access { HTTP_NO_TOKEN /* none is configured */, HTTP_STRANGER, HTTP_ADMITTED };

struct http_request {
    struct instance *instance;
    const char *method, *path;
    const char *body; // NULL: too big
    enum http_access access;
};

struct http_page {
    unsigned status;
    const char *content_type; // static
    const char *allow;        // static; for 405
    char *body;               // owned; NULL: no memory
    size_t length;
};

void http_page_make(const struct http_request *request, struct http_page *page);

#endif
