#pragma once
/* Paths as file:// URLs (RFC 8089) and back: the name under which a file's document is replaced
 * when the file changed. Threads: any. */

/* "file://" and the percent-encoded absolute path, returned owned (free); NULL without memory. */
char *fileurl_of(const char *absolute_path);
/* The path of a file:// URL without a host, returned owned (free); NULL where it is none. */
char *fileurl_path(const char *url);
