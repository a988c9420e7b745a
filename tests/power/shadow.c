/* A disk that forgets, for LD_PRELOAD: at every fsync and fdatasync of a file in $PICO_SHADOW_OF, the file as it is then
 * is copied to $PICO_SHADOW_TO. That folder is then the worst that a power cut could leave: nothing that was written after
 * the last sync of its file, and what was removed is back. A sync of the folder itself makes removals last, and writes the
 * names in it to ".names", for a file system that loses the names of new files as well.
 *
 * A file that is removed and made again is another file: what was synced of the first is kept as ".removed-<name>" until the
 * folder is synced, since after a power cut the name may stand for the one or the other, but never for a mixture.
 *
 * $PICO_DIE_AT_SYNC=N ends the process at its N-th sync; $PICO_DIE_BEFORE=1 before that sync has done anything.
 * $PICO_SHADOW_LIE=1 is a disk that says it has synced the write-ahead log and has not.
 *
 * No sync reaches the real disk: the test reads the files back through the same kernel. */

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DIED = 77, BROKEN = 78 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long syncs;

static void broken(const char *what)
{
    perror(what);
    _exit(BROKEN);
}

static void join(char out[PATH_MAX], const char *folder, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX) {
        fprintf(stderr, "shadow: the path is too long: %s\n", name);
        _exit(BROKEN);
    }
}

static void put(int to, const char *bytes, ssize_t count)
{
    while (count > 0) {
        ssize_t written = write(to, bytes, (size_t)count);
        if (written <= 0) {
            broken("shadow: write");
        }
        bytes += written;
        count -= written;
    }
}

static void replace(const char *folder, const char *name, void (*fill)(int to, const char *source), const char *source)
{
    char temporary[PATH_MAX];
    char final[PATH_MAX];
    join(temporary, folder, ".new");
    join(final, folder, name);
    int to = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) {
        broken("shadow: open");
    }
    fill(to, source);
    close(to);
    if (rename(temporary, final) != 0) {
        broken("shadow: rename");
    }
}

/* Opens the file anew: reading through the caller's own descriptor would need its position. Closing a descriptor drops
 * the process's POSIX locks on the file, which SQLite holds, so this one is kept open for ever. */
static void fill_file(int to, const char *source)
{
    static char buffer[1 << 20];
    static struct {
        dev_t device;
        ino_t file;
        int descriptor;
    } opened[64];
    struct stat status;
    if (stat(source, &status) != 0) {
        broken("shadow: stat");
    }
    int from = -1;
    for (size_t i = 0; from < 0; i++) {
        if (i == sizeof opened / sizeof opened[0]) {
            fprintf(stderr, "shadow: too many files\n");
            _exit(BROKEN);
        }
        if (opened[i].descriptor == 0) {
            opened[i].device = status.st_dev;
            opened[i].file = status.st_ino;
            opened[i].descriptor = open(source, O_RDONLY | O_CLOEXEC);
            if (opened[i].descriptor < 0) {
                broken("shadow: open the source");
            }
        }
        if (opened[i].device == status.st_dev && opened[i].file == status.st_ino) {
            from = opened[i].descriptor;
        }
    }
    off_t at = 0;
    for (;;) {
        ssize_t got = pread(from, buffer, sizeof buffer, at);
        if (got < 0) {
            broken("shadow: read");
        }
        if (got == 0) {
            return;
        }
        put(to, buffer, got);
        at += got;
    }
}

static void fill_names(int to, const char *source)
{
    DIR *folder = opendir(source);
    if (folder == NULL) {
        broken("shadow: opendir");
    }
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        put(to, entry->d_name, (ssize_t)strlen(entry->d_name));
        put(to, "\n", 1);
    }
    closedir(folder);
}

static int really_unlink(const char *path)
{
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* What is removed is gone for certain once its folder is synced. */
static void forget_removed(const char *to, const char *of)
{
    DIR *folder = opendir(to);
    if (folder == NULL) {
        broken("shadow: opendir");
    }
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char copy[PATH_MAX];
        char original[PATH_MAX];
        join(copy, to, entry->d_name);
        join(original, of, entry->d_name);
        int removed = strncmp(entry->d_name, ".removed-", 9) == 0;
        int gone = entry->d_name[0] != '.' && access(original, F_OK) != 0;
        if ((removed || gone) && really_unlink(copy) != 0) {
            broken("shadow: unlink");
        }
    }
    closedir(folder);
}

static int synced(int descriptor)
{
    const char *of = getenv("PICO_SHADOW_OF");
    const char *to = getenv("PICO_SHADOW_TO");
    if (of == NULL || to == NULL) {
        return 0;
    }
    char link[64];
    char path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) {
        return 0;
    }
    path[length] = '\0';
    size_t prefix = strlen(of);
    int folder = strcmp(path, of) == 0;
    if (!folder && (strncmp(path, of, prefix) != 0 || path[prefix] != '/')) {
        return 0;
    }
    const char *name = folder ? "" : path + prefix + 1;
    const char *die_at = getenv("PICO_DIE_AT_SYNC");
    int lies = getenv("PICO_SHADOW_LIE") != NULL && strstr(name, "-wal") != NULL;

    pthread_mutex_lock(&lock);
    int dies = die_at != NULL && atol(die_at) == ++syncs;
    if (dies && getenv("PICO_DIE_BEFORE") != NULL) {
        _exit(DIED);
    }
    if (folder) {
        replace(to, ".names", fill_names, path);
        forget_removed(to, path);
    } else if (!lies && access(path, F_OK) == 0) {
        replace(to, name, fill_file, path);
    }
    if (dies) {
        _exit(DIED);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

int unlink(const char *path)
{
    const char *of = getenv("PICO_SHADOW_OF");
    const char *to = getenv("PICO_SHADOW_TO");
    int result = really_unlink(path);
    if (result == 0 && of != NULL && to != NULL) {
        size_t prefix = strlen(of);
        if (strncmp(path, of, prefix) == 0 && path[prefix] == '/' && strchr(path + prefix + 1, '/') == NULL) {
            char copy[PATH_MAX];
            char kept[PATH_MAX];
            char name[NAME_MAX];
            snprintf(name, sizeof name, ".removed-%s", path + prefix + 1);
            join(copy, to, path + prefix + 1);
            join(kept, to, name);
            pthread_mutex_lock(&lock);
            /* It was never synced, or its removal is older than the last one: then there is nothing to bring back. */
            (void)rename(copy, kept);
            pthread_mutex_unlock(&lock);
        }
    }
    return result;
}

int fsync(int descriptor)
{
    return synced(descriptor);
}

int fdatasync(int descriptor)
{
    return synced(descriptor);
}
