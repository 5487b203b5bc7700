// SPDX-License-Identifier: Apache-2.0
#include "config/nearest.h"
#include "config/unit.h"

#define U(n, dim, num_, den_) {{(const uint8_t *)(n), sizeof(n) - 1}, dim, num_, den_, 0}
#define UZ(n, dim, num_, den_, zero_)                                                              \
	{{(const uint8_t *)(n), sizeof(n) - 1}, dim, num_, den_, zero_}

// clang-format off
static const struct unit units[] = {
	U("m", "length", 1, 1), U("mm", "length", 1, 1000), U("cm", "length", 1, 100),
	U("km", "length", 1000, 1), U("in", "length", 254, 10000), U("ft", "length", 3048, 10000),
	U("yd", "length", 9144, 10000), U("mi", "length", 1609344, 1000), U("nmi", "length", 1852, 1),
	U("kg", "mass", 1, 1), U("g", "mass", 1, 1000), U("mg", "mass", 1, 1000000), U("t", "mass", 1000, 1),
	U("lb", "mass", 45359237, 100000000), U("oz", "mass", 45359237, 1600000000),
	U("s", "time", 1, 1), U("ms", "time", 1, 1000), U("us", "time", 1, 1000000), U("min", "time", 60, 1),
	U("h", "time", 3600, 1), U("d", "time", 86400, 1),
	U("A", "current", 1, 1), U("mA", "current", 1, 1000), U("uA", "current", 1, 1000000), U("kA", "current", 1000, 1),
	UZ("K", "temperature", 1, 1, 0), UZ("Cel", "temperature", 1, 1, 273.15), UZ("degF", "temperature", 5, 9, 459.67),
	U("cd", "luminous intensity", 1, 1),
	U("mol", "amount", 1, 1), U("mmol", "amount", 1, 1000),
	U("Hz", "frequency", 1, 1), U("kHz", "frequency", 1000, 1), U("MHz", "frequency", 1000000, 1), U("GHz", "frequency", 1000000000, 1),
	U("1/s", "rate", 1, 1), U("1/min", "rate", 1, 60), U("1/h", "rate", 1, 3600), U("beat/min", "rate", 1, 60),
	U("rpm", "rate", 1, 60),
	U("rad", "angle", 1, 1), U("deg", "angle", 0.017453292519943295, 1),
	U("sr", "solid angle", 1, 1),
	U("N", "force", 1, 1), U("kN", "force", 1000, 1),
	U("Pa", "pressure", 1, 1), U("hPa", "pressure", 100, 1), U("kPa", "pressure", 1000, 1), U("MPa", "pressure", 1000000, 1),
	U("mbar", "pressure", 100, 1), U("bar", "pressure", 100000, 1), U("psi", "pressure", 6894.757293168361, 1),
	U("mmHg", "pressure", 133.322387415, 1), U("inHg", "pressure", 3386.388640341, 1), U("atm", "pressure", 101325, 1),
	U("J", "energy", 1, 1), U("kJ", "energy", 1000, 1), U("MJ", "energy", 1000000, 1), U("Wh", "energy", 3600, 1),
	U("kWh", "energy", 3600000, 1), U("MWh", "energy", 3600000000, 1), U("cal", "energy", 4184, 1000), U("kcal", "energy", 4184, 1),
	U("W", "power", 1, 1), U("mW", "power", 1, 1000), U("kW", "power", 1000, 1), U("MW", "power", 1000000, 1),
	U("C", "charge", 1, 1), U("Ah", "charge", 3600, 1), U("mAh", "charge", 36, 10),
	U("V", "voltage", 1, 1), U("mV", "voltage", 1, 1000), U("uV", "voltage", 1, 1000000), U("kV", "voltage", 1000, 1),
	U("F", "capacitance", 1, 1), U("uF", "capacitance", 1, 1000000), U("nF", "capacitance", 1, 1000000000),
	U("Ohm", "resistance", 1, 1), U("kOhm", "resistance", 1000, 1), U("MOhm", "resistance", 1000000, 1),
	U("S", "conductance", 1, 1), U("mS", "conductance", 1, 1000), U("uS", "conductance", 1, 1000000),
	U("Wb", "magnetic flux", 1, 1),
	U("T", "flux density", 1, 1), U("mT", "flux density", 1, 1000), U("uT", "flux density", 1, 1000000),
	U("H", "inductance", 1, 1),
	U("lm", "luminous flux", 1, 1),
	U("lx", "illuminance", 1, 1), U("klx", "illuminance", 1000, 1),
	U("Bq", "activity", 1, 1), U("Gy", "absorbed dose", 1, 1),
	U("Sv", "dose", 1, 1), U("mSv", "dose", 1, 1000), U("uSv", "dose", 1, 1000000),
	U("kat", "catalytic activity", 1, 1),
	U("m2", "area", 1, 1), U("ha", "area", 10000, 1), U("km2", "area", 1000000, 1),
	U("m3", "volume", 1, 1), U("l", "volume", 1, 1000), U("ml", "volume", 1, 1000000), U("gal", "volume", 3785411784, 1000000000000),
	U("m/s", "speed", 1, 1), U("km/h", "speed", 1000, 3600), U("mi/h", "speed", 1609344, 3600000), U("kn", "speed", 1852, 3600),
	U("mm/h", "speed", 1, 3600000), U("m/h", "speed", 1, 3600),
	U("m/s2", "acceleration", 1, 1), U("gn", "acceleration", 980665, 100000),
	U("m3/s", "volume flow", 1, 1), U("l/s", "volume flow", 1, 1000), U("l/min", "volume flow", 1, 60000),
	U("l/h", "volume flow", 1, 3600000), U("m3/h", "volume flow", 1, 3600),
	U("W/m2", "irradiance", 1, 1), U("cd/m2", "luminance", 1, 1),
	U("bit", "data", 1, 1), U("B", "data", 8, 1), U("KiB", "data", 8192, 1), U("MiB", "data", 8388608, 1), U("GB", "data", 8000000000, 1),
	U("bit/s", "data rate", 1, 1), U("B/s", "data rate", 8, 1), U("Mbit/s", "data rate", 1000000, 1), U("MB/s", "data rate", 8000000, 1),
	U("lat", "latitude", 1, 1), U("lon", "longitude", 1, 1), U("pH", "acidity", 1, 1),
	U("dB", "level", 1, 1), U("dBW", "power level", 1, 1), U("Bspl", "sound level", 1, 1), U("dBspl", "sound level", 1, 10),
	U("dBm", "signal level", 1, 1),
	U("count", "count", 1, 1),
	U("/", "ratio", 1, 1), U("%", "ratio", 1, 100), U("/100", "ratio", 1, 100), U("/1000", "ratio", 1, 1000), U("ppm", "ratio", 1, 1000000),
	U("ppb", "ratio", 1, 1000000000),
	U("%RH", "relative humidity", 1, 1),
	U("%EL", "battery level", 1, 1), U("EL", "battery time", 1, 1),
	U("S/m", "conductivity", 1, 1), U("uS/cm", "conductivity", 1, 10000), U("mS/cm", "conductivity", 1, 10),
	U("VA", "apparent power", 1, 1), U("kVA", "apparent power", 1000, 1),
	U("VAs", "apparent energy", 1, 1), U("kVAh", "apparent energy", 3600000, 1),
	U("var", "reactive power", 1, 1), U("kvar", "reactive power", 1000, 1),
	U("vars", "reactive energy", 1, 1), U("varh", "reactive energy", 3600, 1), U("kvarh", "reactive energy", 3600000, 1),
	U("J/m", "energy per distance", 1, 1), U("Wh/km", "energy per distance", 36, 10),
	U("kg/m3", "density", 1, 1), U("g/m3", "density", 1, 1000), U("mg/m3", "density", 1, 1000000), U("ug/m3", "density", 1, 1000000000),
	U("NTU", "turbidity", 1, 1),
};
// clang-format on
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

const struct unit *unit_find(struct view name) {
	return unit_find_in((struct unit_range) {units, units + UNIT_COUNT}, name);
}

const char *unit_nearest(const char *name) {
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < UNIT_COUNT; i++)
		nearest_offer(&near, (const char *)units[i].name.p);
	return near.best;
}

struct unit_range unit_siblings(const struct unit *u) {
	struct unit_range r = {u, u + 1};

	// One literal per dimension, but the linker need not have merged equal ones.
	while (r.first > units && strcmp(r.first[-1].dimension, u->dimension) == 0)
		r.first--;
	while (r.end < units + UNIT_COUNT && strcmp(r.end->dimension, u->dimension) == 0)
		r.end++;
	return r;
}

static bool whole(double v) {
	return v >= 1 && v < 9e15 && v == (double)(int64_t)v;
}

// By one rounding where that is possible: 215 mm are 0.215 m, not 0.21500000000000002.
static double by_fraction(double v, double num, double den) {
	if (num == den)
		return v;
	if (whole(num / den))
		return v * (num / den);
	if (whole(den / num))
		return v / (den / num);
	return v * num / den;
}

double unit_convert(double v, const struct unit *from, const struct unit *to) {
	double num = from->num * to->den;
	double den = from->den * to->num;

	if (from->zero == to->zero)
		return by_fraction(v, num, den);
	double there = by_fraction(v + from->zero, num, den) - to->zero;
	// Nine decimals hide what binary fractions do to 273.15.
	return there < 1e6 && there > -1e6 ? __builtin_nearbyint(there * 1e9) / 1e9 : there;
}
