"""Daily weather around real monthly normals: a stochastic generator for the demo world.

Anomalies are smooth in space and persist in time (AR1); slow modes make years differ; wet
days follow the monthly precipitation; the other variables are tied to these physically.
Any range of days can be asked for, in any order, and is the same each time.
"""

import dataclasses

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

from chamnet.demo.climate import DAYS_OF_MONTHS, Climate, top_of_atmosphere
from chamnet.simulation.soil import STEFAN_BOLTZMANN
from chamnet.simulation.traits import SmoothField

N_MODES = 6
FAST_FIELDS = ("warmth", "wetness", "pressure")
PERSISTENCE = {"warmth": 0.80, "wetness": 0.45, "pressure": 0.70}  # lag-1 autocorrelation
MODE_PERSISTENCE = 0.996  # a day: e-folding of eight months
HOTTEST_DAY_K = np.float32(317)  # daily mean; no place is known to be hotter
MOISTEST_DEW_POINT_K = np.float32(304)
MANTISSA_BITS = {  # kept of float32, as packed data have; fewer bits, smaller files
    "air_temperature": 12,  # 0.03 K
    "dew_point_temperature": 12,
    "surface_air_pressure": 12,  # 8 Pa
    "surface_downwelling_longwave_flux_in_air": 10,  # 0.1 W m-2
    "soil_temperature": 12,
}
FEWEST_BITS = 9  # of the others, a thousandth of the value


@dataclasses.dataclass(frozen=True, slots=True)
class _Normals:
    """Monthly knots by cell whose daily interpolation has the normals' monthly means."""

    temperature: np.ndarray
    precipitation: np.ndarray
    aridity: np.ndarray
    fast_sd: np.ndarray
    slow_sd: np.ndarray


class WeatherGenerator:
    """Weather of every cell of a grid, land and sea.

    Parameters
    ----------
    climate : normals of the grid
    seed : of everything drawn
    days : (day,) datetime64[D], all days of the world
    index : (cell,), cells of the flattened grid in ascending order; None: all
    """

    def __init__(
        self,
        climate: Climate,
        *,
        seed: int,
        days: np.ndarray,
        index: np.ndarray | None = None,
    ) -> None:
        grid = climate.grid
        index = np.arange(grid.latitude.size * grid.longitude.size) if index is None else index
        self.days = days
        self._latitude, self._row = grid.latitude, index // grid.shape[1]
        latitude, longitude = (
            axis.ravel()[index]
            for axis in np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
        )
        self._elevation = climate.elevation.ravel()[index].astype(np.float32)
        self._tropical = np.exp(-((latitude / 20) ** 2)).astype(np.float32)
        self._normals = _build_normals(climate, index)
        generator = np.random.default_rng([seed, 1])
        self._field = SmoothField(latitude, longitude, correlation_km=1500)
        self._noise = {
            name: _persistent(generator, days.size, self._field.n_nodes, PERSISTENCE[name])
            for name in FAST_FIELDS
        }
        slow = SmoothField(latitude, longitude, correlation_km=4000)
        patterns = slow.project(generator.normal(size=(2, N_MODES, slow.n_nodes)))
        self._patterns = patterns / np.sqrt((patterns**2).sum(axis=1, keepdims=True))
        self._modes = _persistent(generator, days.size, N_MODES, MODE_PERSISTENCE)

    def build(self, part: slice) -> dict[str, np.ndarray]:
        """Weather of a range of days, CF units, (time, cell) float32 each.

        Parameters
        ----------
        part : of the world's days

        Returns
        -------
        CF name -> (time, cell)
            Temperature and dew point K, precipitation kg m-2 s-1, radiation W m-2, pressure
            Pa, wind components m s-1; cells in the grid's order, latitude by latitude.
        """
        days = self.days[part]
        blend = _month_weights(days)
        latent = {name: self._field.project(noise[part]) for name, noise in self._noise.items()}
        mean = blend @ self._normals.temperature
        air = self._air_temperature(part, mean, latent["warmth"])
        rate, chance = self._rain_normals(part, blend)
        rank = ndtr(latent["wetness"])
        rain = _rain(rank, rate, chance)
        cloud = rank ** (1 / (0.25 + 0.55 * chance) - 1)
        dew = self._dew_point(air, cloud, blend)
        weather = {
            "air_temperature": air,
            "dew_point_temperature": dew,
            "precipitation_flux": rain,
            "surface_downwelling_shortwave_flux_in_air": self._shortwave(days, cloud),
            "surface_downwelling_longwave_flux_in_air": _longwave(air, dew, cloud),
            "surface_air_pressure": self._pressure(latent),
        }
        weather["eastward_wind"], weather["northward_wind"] = self._wind(latent)
        return round_weather(weather)

    def _air_temperature(self, part: slice, mean: np.ndarray, warmth: np.ndarray) -> np.ndarray:
        normals = self._normals
        slow = self._modes[part] @ self._patterns[0]
        air = mean + normals.fast_sd * warmth + normals.slow_sd * slow + np.float32(273.15)
        return np.minimum(air, HOTTEST_DAY_K)

    def _rain_normals(self, part: slice, blend: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected precipitation, mm per day, and the chance of a wet day."""
        slow = self._modes[part] @ self._patterns[1]
        rate = np.maximum(blend @ self._normals.precipitation, 0.002)
        rate = rate * np.exp(np.float32(0.18) * slow - np.float32(0.016))
        return rate, np.clip(1 - np.exp(-((rate / 4) ** 0.7)), 0.01, 0.95)

    def _dew_point(self, air: np.ndarray, cloud: np.ndarray, blend: np.ndarray) -> np.ndarray:
        warm = np.clip((air - np.float32(258)) / 40, 0.05, 1)
        deficit = 1.5 + 15 * np.exp(-1.2 * np.maximum(blend @ self._normals.aridity, 0)) * warm
        return np.minimum(air - deficit * (1.3 - 0.8 * cloud), MOISTEST_DEW_POINT_K)

    def _shortwave(self, days: np.ndarray, cloud: np.ndarray) -> np.ndarray:
        """Clear sky by FAO-56 eq. 37, clouds by Kasten and Czeplak (1980)."""
        above = top_of_atmosphere(self._latitude, _year_fraction(days)).astype(np.float32)
        return above[:, self._row] * (0.75 + 2e-5 * self._elevation) * (1 - 0.75 * cloud**3.4)

    def _pressure(self, latent: dict[str, np.ndarray]) -> np.ndarray:
        """Barometric formula of FAO-56 eq. 7, and highs and lows that go with dry and wet."""
        mean = 101_300 * ((293 - 0.0065 * self._elevation) / 293) ** 5.26
        synoptic = 0.85 * latent["pressure"] - 0.53 * latent["wetness"]
        return mean + (900 - 750 * self._tropical) * synoptic

    def _wind(self, latent: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Trades and westerlies, and gusts that go with pressure and warm air."""
        strength = 3 - 1.5 * self._tropical
        westerly = 2.5 * (1 - 2 * self._tropical)
        eastward = westerly + strength * (0.8 * latent["pressure"] + 0.6 * latent["wetness"])
        return eastward, strength * (0.7 * latent["warmth"] - 0.7 * latent["pressure"])


def _build_normals(climate: Climate, index: np.ndarray) -> _Normals:
    def flat(values: np.ndarray) -> np.ndarray:
        return values.reshape(*values.shape[:-2], -1)[..., index].astype(np.float32)

    temperature = flat(climate.temperature)
    span = np.ptp(temperature, axis=0)
    aridity = climate.precipitation / np.maximum(climate.potential, 0.3)
    return _Normals(
        temperature=_knots(temperature),
        precipitation=_knots(flat(climate.precipitation)),
        aridity=flat(np.minimum(aridity, 4)),
        fast_sd=np.clip(0.7 + 0.09 * span, 0.7, 4.5).astype(np.float32),
        slow_sd=np.clip(0.25 + 0.02 * span, 0.25, 1.2).astype(np.float32),
    )


def _knots(monthly: np.ndarray) -> np.ndarray:
    """Values at the months' middles that interpolate to these monthly means, (12, cell)."""
    days = np.arange("2001-01-01", "2002-01-01", dtype="datetime64[D]")
    weights = _month_weights(days).astype(float)
    month = days.astype("datetime64[M]").astype(int) % 12
    means = np.stack([weights[month == m].mean(axis=0) for m in range(12)])
    return (np.linalg.inv(means) @ monthly).astype(np.float32)


def _month_weights(days: np.ndarray) -> np.ndarray:
    """Linear interpolation between the months' middles, (day, 12) float32."""
    middles = (np.cumsum(DAYS_OF_MONTHS) - DAYS_OF_MONTHS / 2) / DAYS_OF_MONTHS.sum()
    fraction = _year_fraction(days)
    left = (np.searchsorted(middles, fraction) - 1) % 12
    right = (left + 1) % 12
    share = ((fraction - middles[left]) % 1) / ((middles[right] - middles[left]) % 1)
    weights = np.zeros((days.size, 12), np.float32)
    rows = np.arange(days.size)
    weights[rows, left] = 1 - share
    weights[rows, right] += share
    return weights


def _year_fraction(days: np.ndarray) -> np.ndarray:
    years = days.astype("datetime64[Y]")
    length = ((years + 1).astype("datetime64[D]") - years.astype("datetime64[D]")).astype(float)
    return ((days - years.astype("datetime64[D]")).astype(float) + 0.5) / length


def _persistent(
    generator: np.random.Generator, n_days: int, n_series: int, persistence: float
) -> np.ndarray:
    """Stationary AR1 series of unit variance, (day, series) float32."""
    noise = generator.normal(size=(n_days, n_series))
    noise[1:] *= np.sqrt(1 - persistence**2)
    return lfilter([1], [1, -persistence], noise, axis=0).astype(np.float32)


def _rain(rank: np.ndarray, rate: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Precipitation, kg m-2 s-1: exponential amounts on the wettest ranks.

    The amount of a wet day has the mean rate / chance, so that the mean of all days is the
    rate: a chain-free form of Richardson (1981), doi:10.1029/WR017i001p00182.
    """
    tail = np.clip((1 - rank) / chance, 1e-7, 1)
    return np.where(tail < 1, -np.log(tail) * rate / chance, 0) / np.float32(86_400)


def _longwave(air: np.ndarray, dew: np.ndarray, cloud: np.ndarray) -> np.ndarray:
    """Clear sky by Brutsaert (1975), clouds by Crawford and Duchon (1999), W m-2."""
    celsius = dew - np.float32(273.15)
    vapor_hpa = 6.108 * np.exp(17.27 * celsius / np.maximum(celsius + 237.3, 60))
    clear = np.clip(1.24 * (vapor_hpa / air) ** (1 / 7), 0.6, 1)  # not made for the polar night
    share = 0.8 * cloud
    return (share + (1 - share) * clear) * (STEFAN_BOLTZMANN * air**4)


def round_weather(weather: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Variables with the bits that packed data have, name -> float32; they compress better."""
    return {
        name: round_mantissa(values, bits=MANTISSA_BITS.get(name, FEWEST_BITS))
        for name, values in weather.items()
    }


def round_mantissa(values: np.ndarray, *, bits: int) -> np.ndarray:
    """Values with so many bits of mantissa, float32.

    Round half to even on the bits, Zender (2016), doi:10.5194/gmd-9-3199-2016.
    """
    drop = 23 - bits
    raw = np.array(values, dtype=np.float32, order="C").view(np.uint32)
    raw += ((raw >> np.uint32(drop)) & np.uint32(1)) + np.uint32((1 << (drop - 1)) - 1)
    raw &= np.uint32(0xFFFFFFFF ^ ((1 << drop) - 1))
    return raw.view(np.float32)
