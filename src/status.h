/* How a call of the library can end. */
#ifndef FASTCONV_STATUS_H
#define FASTCONV_STATUS_H

typedef enum { FC_OK, FC_NO_MEMORY, FC_INTERRUPTED, FC_UNSUPPORTED } fc_status;

#endif
