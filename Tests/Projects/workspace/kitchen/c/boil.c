#include "kitchen.h"

int kitchen_boil(int litres)
{
    return kitchen_stir(litres) + 100;
}
