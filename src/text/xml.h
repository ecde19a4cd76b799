#pragma once
/* A scanner for the XML of feeds that says where every piece of text stands. Entities are the five
 * of XML, numbers, and HTML's names; a document that defines its own is refused, so nothing can be
 * expanded, included or fetched.
 * Threads: any.
 * Source: XML 1.0 fifth edition, well-formedness checked only as far as the text depends on it. */
#include "text/text_internal.h"

typedef enum XmlKind { XML_END_OF_INPUT, XML_OPEN, XML_CLOSE, XML_TEXT, XML_CDATA } XmlKind;

typedef struct XmlToken {
    XmlKind kind;
    size_t start, end; /* in the source; of CDATA its content only */
    Slice name;        /* of a tag, without its prefix */
    Slice prefix;
    Slice attributes; /* the raw text of the tag behind its name */
    bool empty;       /* <x/> */
} XmlToken;

typedef struct XmlScan {
    Slice s;
    size_t at;
} XmlScan;

/* INVALID with the byte where it is broken or defines entities. */
Status xml_next(XmlScan *scan, XmlToken *ret, Err *err) MUST_CHECK;
/* The raw value of an attribute; "" where it is not there. */
Slice xml_attribute(const XmlToken *tag, const char *name);
/* Text with its references decoded, appended to ret with runs to the source. */
void xml_text(Slice source, size_t start, size_t end, Buf *ret, MapBuilder *map);
