#include "kitchen.h"

int kitchen_stir(int spoons)
{
    return spoons * KITCHEN_POTS;
}
