/// Loads a library that only this program's own run path leads to.
#include <dlfcn.h>
#include <stdio.h>

int main(void) {
    void *plugin = dlopen("libplugin.so", RTLD_NOW);
    if (!plugin) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int (*ask)(void) = (int (*)(void))dlsym(plugin, "larder_plugin");
    if (!ask || ask() != 1) return 2;
    return dlopen("libno-such-plugin.so", RTLD_NOW) ? 3 : 0;
}
