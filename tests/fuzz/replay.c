// Runs one fuzzer's entry over its corpus, without the fuzzer's engine: what every compiler can build, and the everyday
// tests do. Usage: replay_NAME FOLDER
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
run(const char *path, size_t size)
{
    uint8_t *bytes = malloc(size + (size == 0)); // exactly so long: a byte beyond is found
    FILE *file = fopen(path, "rb");
    int is_read = bytes != NULL && file != NULL && fread(bytes, 1, size, file) == size;
    if (is_read) {
        LLVMFuzzerTestOneInput(bytes, size);
    }
    if (file != NULL) {
        fclose(file);
    }
    free(bytes);
    return is_read;
}

int
main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    unsigned count = 0;
    if (folder == NULL) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[4096];
        struct stat about;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        if (stat(path, &about) == 0 && S_ISREG(about.st_mode)) {
            if (!run(path, (size_t)about.st_size)) {
                perror(path);
                return 1;
            }
            count++;
        }
    }
    closedir(folder);
    printf("%u inputs\n", count);
    return count == 0;
}
