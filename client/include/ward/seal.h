/* SPDX-License-Identifier: Apache-2.0 */
/* libward: sealing what is larger than a message under a data key of its own: buffers, streams,
 * descriptors and files of up to 2^39 bytes, in constant memory. Included by <ward/ward.h>, whose
 * rules of ownership and errors hold here too. The format is in proto/FORMATS.md, section 9.
 *
 * Each seal has a fresh key: derived from the data key and a random salt. The sealed form carries
 * the data key in its wrapped form, outside of what is authenticated, so that ward_reseal can wrap
 * it anew without touching the rest. Whatever is wrong with sealed data (another key, context or
 * associated data, an altered, cut, longer or reordered file, or no sealed file at all), opening
 * answers INVALID_ARGUMENT "ciphertext does not open", and nothing more.
 *
 * No plaintext is given out before the tag of its chunk was checked. But a stream that was cut is
 * only told at its end: what was written until then is authentic and not the whole. ward_open and
 * ward_open_file keep it back; who uses ward_open_fd or a stream must discard it when they fail. */
#ifndef WARD_SEAL_H
#define WARD_SEAL_H

#include <ward/ward.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All zeros but for `key` is fine for sealing, all zeros for opening. */
typedef struct ward_seal_options {
    const char *key;          /* sealing: the key-encryption key's name */
    const ward_pair *context; /* the data key's encryption context: the same again at opening */
    size_t n_context;
    const void *associated_data; /* bound, not stored: the same again at opening; or NULL */
    size_t associated_data_size;
    uint32_t chunk_size; /* sealing: a power of two, 4,096 to 1,048,576; 0: 65,536 */
    uint32_t reserved;   /* 0 */
    /* A data key that is at hand (from a cache, or ward_generate_data_keys): the daemon is not
     * asked, and the client may be NULL. 32 bytes; sealing needs its wrapped form too, 1 to 1,024
     * bytes. */
    const void *data_key;
    const void *wrapped;
    size_t wrapped_size;
    /* Where data keys come from before the daemon is asked, or NULL: many things are then sealed
     * under one data key. Each counts as one use; bytes are not counted, for each has a key of its
     * own. The client may be NULL. */
    struct ward_cache *cache;
    /* Called after each chunk with the bytes of plaintext so far; or NULL. Anything but 0 stops the
     * work: CANCELLED. */
    int (*progress)(void *progress_context, uint64_t bytes);
    void *progress_context;
} ward_seal_options;

typedef struct ward_sizes {
    uint64_t plain, sealed; /* bytes; sealed: with the header */
} ward_sizes;

/* ---- buffers ---- */

/* Memory that is wiped when it is released. */
typedef struct ward_blob {
    const void *data;
    size_t size;
} ward_blob;
void ward_blob_free(ward_blob *blob);

/* Asks the daemon for a data key, and seals. Codes: those of ward_generate_data_key;
 * INVALID_ARGUMENT with the field and the rule. */
ward_rc ward_seal(ward_client *client, const ward_call *call, const ward_seal_options *options,
                  const void *plain, size_t size, ward_blob **ret, ward_error *error);
/* Asks the daemon to unwrap the data key, and opens. Codes: those of ward_unwrap_data_key. */
ward_rc ward_open(ward_client *client, const ward_call *call, const ward_seal_options *options,
                  const void *sealed, size_t size, ward_blob **ret, ward_error *error);
/* Where in the first bytes of sealed data the wrapped data key lies. *ret_size is 0 when there are
 * not enough of them: 1,035 always are. INVALID_ARGUMENT when it is not sealed data. */
ward_rc ward_sealed_key(const void *sealed, size_t size, const void **ret, size_t *ret_size,
                        ward_error *error);

/* ---- streams: bytes go in as they come, and come out by a function of the caller ---- */

typedef struct ward_stream ward_stream; /* for one thread at a time */

/* Takes the next bytes of the output, and answers 0. Anything else stops the work: CANCELLED. */
typedef int (*ward_write)(void *write_context, const void *data, size_t size);

/* Makes a stream that seals: asks the daemon for a data key and writes the header. Release with
 * ward_stream_free. */
ward_rc ward_stream_seal(ward_client *client, const ward_call *call,
                         const ward_seal_options *options, ward_write write, void *write_context,
                         ward_stream **ret, ward_error *error);
/* Makes a stream that opens. It asks the daemon once the header has come in; the client must live
 * until then, all else is copied. */
ward_rc ward_stream_open(ward_client *client, const ward_call *call,
                         const ward_seal_options *options, ward_write write, void *write_context,
                         ward_stream **ret, ward_error *error);
/* The next bytes, any number. After a failure every further call fails: FAILED_PRECONDITION. */
ward_rc ward_stream_update(ward_stream *stream, const void *data, size_t size, ward_error *error);
/* The end of the input. Only when this succeeds is the output whole. */
ward_rc ward_stream_finish(ward_stream *stream, ward_error *error);
/* What has gone through so far. */
void ward_stream_sizes(const ward_stream *stream, ward_sizes *ret);
/* Wipes what it held. */
void ward_stream_free(ward_stream *stream);

/* ---- descriptors and files ---- */

/* From one descriptor to another until the end of the input; pipes, sockets and files. sizes may be
 * NULL. ABORTED when it cannot be read or written, with the system's reason. */
ward_rc ward_seal_fd(ward_client *client, const ward_call *call, const ward_seal_options *options,
                     int in, int out, ward_sizes *sizes, ward_error *error);
ward_rc ward_open_fd(ward_client *client, const ward_call *call, const ward_seal_options *options,
                     int in, int out, ward_sizes *sizes, ward_error *error);

/* Into a new file, which appears under its name when all is written (and, opening, verified) and on
 * the disk, or not at all. replace 0: ALREADY_EXISTS when there is one; 1: a regular file of that
 * name is replaced. Plaintext files have mode 0600; sealed ones may be read by who may read the
 * input when that is a file, else mode 0600. */
ward_rc ward_seal_file(ward_client *client, const ward_call *call, const ward_seal_options *options,
                       int in, const char *to, int replace, ward_sizes *sizes, ward_error *error);
ward_rc ward_open_file(ward_client *client, const ward_call *call, const ward_seal_options *options,
                       int in, const char *to, int replace, ward_sizes *sizes, ward_error *error);

/* ---- wrapping the data key anew ---- */

typedef struct ward_resealed {
    char key[136]; /* the key-encryption key's name, and its version, that wrap it now */
    uint32_t version;
    int unchanged; /* 1: they did before; nothing was written */
} ward_resealed;

/* Changes the wrapped data key, and nothing else: no plaintext comes or goes, the chunks are not
 * read. `how` is that of ward_rewrap_data_key; its `wrapped` is taken from the sealed data. Codes:
 * those of ward_rewrap_data_key. result may be NULL. */
ward_rc ward_reseal(ward_client *client, const ward_call *call, const ward_rewrap_request *how,
                    const void *sealed, size_t size, ward_blob **ret, ward_resealed *result,
                    ward_error *error);
/* In place when the wrapped key keeps its size and lies in the file's first 512 bytes, as the
 * daemon's do: one write. By a copy that replaces the file otherwise, mode and owner kept. */
ward_rc ward_reseal_file(ward_client *client, const ward_call *call, const ward_rewrap_request *how,
                         const char *path, ward_resealed *result, ward_error *error);

#ifdef __cplusplus
}
#endif

#endif
