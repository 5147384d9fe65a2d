#ifndef PANTRY_KITCHEN_H
#define PANTRY_KITCHEN_H

#define KITCHEN_POTS 3

int kitchen_stir(int spoons);
int kitchen_boil(int litres);

#endif
