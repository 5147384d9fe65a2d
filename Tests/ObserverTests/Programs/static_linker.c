/// A linker that the loader never sees: static, it runs the real one.
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments) {
    (void)count;
    arguments[0] = "cc";
    execvp("cc", arguments);
    return 127;
}
