/* Overflows a signed integer on purpose; meson expects this to fail in a build with sanitizers. */
int main(int argc, char **argv) {
    (void)argv;
    int volatile big = 0x7fffffff;
    return big + argc == 0;
}
