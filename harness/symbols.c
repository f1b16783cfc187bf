/* SPDX-License-Identifier: MIT
 *
 * symbols.c: /proc/PID/maps and the symbol tables of 64-bit ELF files.
 *
 * A damaged file must not hurt: every offset taken from a file is checked against its
 * size. A file without a symbol table, or of the other ELF class, has a module name and
 * no functions.
 */
#include "symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct mapping {
    uint64_t start, end, file_offset;
    char *path;
    const uint8_t *image; /* the whole file, once asked for */
    size_t image_bytes;
    bool opened;
};

struct bench_symbols {
    struct mapping *mappings;
    size_t count;
};

static int add_mapping(struct bench_symbols *s, const char *line)
{
    unsigned long long start, end, offset;
    char permissions[5];
    int path_at = 0;
    if (sscanf(line, "%llx-%llx %4s %llx %*s %*s %n", &start, &end, permissions, &offset,
               &path_at) < 4 ||
        permissions[2] != 'x' || path_at == 0)
        return 0;
    struct mapping *grown = realloc(s->mappings, (s->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    s->mappings = grown;
    char *path = strndup(line + path_at, strcspn(line + path_at, "\n"));
    if (path == NULL)
        return -ENOMEM;
    s->mappings[s->count++] =
        (struct mapping){.start = start, .end = end, .file_offset = offset, .path = path};
    return 0;
}

struct bench_symbols *bench_symbols_load(pid_t pid)
{
    char path[64], *line = NULL;
    size_t line_bytes = 0;
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    struct bench_symbols *s = calloc(1, sizeof(*s));
    FILE *maps = s != NULL ? fopen(path, "re") : NULL;
    if (maps == NULL) {
        free(s);
        return NULL;
    }
    while (getline(&line, &line_bytes, maps) > 0 && add_mapping(s, line) == 0)
        ;
    free(line);
    fclose(maps);
    return s;
}

void bench_symbols_free(struct bench_symbols *s)
{
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        if (s->mappings[i].image != NULL)
            munmap((void *)s->mappings[i].image, s->mappings[i].image_bytes);
        free(s->mappings[i].path);
    }
    if (s != NULL)
        free(s->mappings);
    free(s);
}

/* The file's bytes [offset, offset + bytes), or NULL where it has none. */
static const void *part(const struct mapping *m, uint64_t offset, uint64_t bytes)
{
    if (m->image == NULL || offset > m->image_bytes || bytes > m->image_bytes - offset)
        return NULL;
    return m->image + offset;
}

static void open_image(struct mapping *m)
{
    struct stat status;
    m->opened = true;
    int fd = open(m->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        void *image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        m->image = image != MAP_FAILED ? image : NULL;
        m->image_bytes = image != MAP_FAILED ? (size_t)status.st_size : 0;
    }
    close(fd);
}

static const Elf64_Ehdr *elf_header(const struct mapping *m)
{
    const Elf64_Ehdr *header = part(m, 0, sizeof(*header));
    bool known = header != NULL && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
                 header->e_ident[EI_CLASS] == ELFCLASS64 &&
                 header->e_phentsize == sizeof(Elf64_Phdr) &&
                 (header->e_shnum == 0 || header->e_shentsize == sizeof(Elf64_Shdr));
    return known ? header : NULL;
}

/* From the place in the file to the address that the file gives it. */
static bool link_address(const struct mapping *m, uint64_t file_offset, uint64_t *address)
{
    const Elf64_Ehdr *header = elf_header(m);
    const Elf64_Phdr *segments =
        header == NULL ? NULL
                       : part(m, header->e_phoff, header->e_phnum * sizeof(*segments));
    for (unsigned i = 0; segments != NULL && i < header->e_phnum; i++) {
        const Elf64_Phdr *p = &segments[i];
        if (p->p_type == PT_LOAD && file_offset >= p->p_offset &&
            file_offset - p->p_offset < p->p_filesz) {
            *address = file_offset - p->p_offset + p->p_vaddr;
            return true;
        }
    }
    return false;
}

static void search_table(const struct mapping *m, const Elf64_Shdr *table,
                         const Elf64_Shdr *names, struct bench_symbol *found)
{
    const Elf64_Sym *symbols = part(m, table->sh_offset, table->sh_size);
    const char *strings = part(m, names->sh_offset, names->sh_size);
    if (symbols == NULL || strings == NULL || names->sh_size == 0 ||
        strings[names->sh_size - 1] != '\0')
        return;
    for (uint64_t i = 0; i < table->sh_size / sizeof(*symbols); i++) {
        const Elf64_Sym *y = &symbols[i];
        uint64_t offset = found->address - y->st_value;
        bool inside = y->st_shndx != SHN_UNDEF && found->address >= y->st_value &&
                      (offset < y->st_size || offset == 0);
        if (ELF64_ST_TYPE(y->st_info) == STT_FUNC && inside &&
            y->st_name < names->sh_size) {
            found->function = strings + y->st_name;
            found->offset = offset;
        }
    }
}

/* The full table where there is one, else that of the dynamic linker. */
static void find_function(const struct mapping *m, struct bench_symbol *found)
{
    const Elf64_Ehdr *header = elf_header(m);
    const Elf64_Shdr *sections =
        header == NULL ? NULL
                       : part(m, header->e_shoff, header->e_shnum * sizeof(*sections));
    const unsigned types[] = {SHT_SYMTAB, SHT_DYNSYM};
    for (int t = 0; t < 2 && sections != NULL && found->function == NULL; t++)
        for (unsigned i = 0; i < header->e_shnum; i++)
            if (sections[i].sh_type == types[t] && sections[i].sh_link < header->e_shnum)
                search_table(m, &sections[i], &sections[sections[i].sh_link], found);
}

struct bench_symbol bench_symbols_find(struct bench_symbols *s, uint64_t pc)
{
    struct bench_symbol found = {.module = "?", .address = pc};
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        struct mapping *m = &s->mappings[i];
        if (pc < m->start || pc >= m->end)
            continue;
        const char *slash = strrchr(m->path, '/');
        found.module = slash != NULL ? slash + 1 : m->path[0] != '\0' ? m->path : "?";
        if (!m->opened)
            open_image(m);
        if (link_address(m, pc - m->start + m->file_offset, &found.address))
            find_function(m, &found);
        break;
    }
    return found;
}
