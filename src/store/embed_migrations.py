"""embed_migrations.py OUTPUT.c MIGRATION.sql...: the migrations as C strings, in order of number."""
import os
import sys

out, files = sys.argv[1], sys.argv[2:]
for n, path in enumerate(files, 1):
    if not os.path.basename(path).startswith('%04d_' % n):
        sys.exit('%s: migrations are numbered from 0001 without gaps' % path)
with open(out, 'w', encoding='ascii') as f:
    f.write('#include "store/migrations.h"\n\nconst StoreMigration store_migrations[] = {\n')
    for path in files:
        with open(path, encoding='ascii') as sql:
            lines = sql.read().splitlines()
        f.write('    { "%s",\n' % os.path.basename(path))
        for line in lines:
            f.write('      "%s\\n"\n' % line.replace('\\', '\\\\').replace('"', '\\"'))
        f.write('    },\n')
    f.write('};\n')
