"""Write a NEXRAD Level II file: the archive format of weather radars (ICD 2620010 and 2620002).

A volume header of 24 bytes is followed by blocks, each compressed by bzip2 behind a control word with its length. The
first block holds metadata in messages of 2432 bytes, the others messages of type 31: one direction of the antenna each.
"""

from __future__ import annotations

import bz2
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

BELOW_THRESHOLD, RANGE_FOLDED = 0, 1
_METADATA_MESSAGES = 134
_METADATA_BYTES = 2432
_RADIALS_A_BLOCK = 120
#: The states of a radial: within a sweep, and first or last of a sweep or of the volume.
_START_SWEEP, _WITHIN, _END_SWEEP, _START_VOLUME, _END_VOLUME = range(5)


@dataclass(frozen=True)
class Moment:
    """What was measured along one direction: `codes` from 2 upwards stand for (code - offset) / scale."""

    name: str
    codes: Sequence[int]
    scale: float = 2.0
    offset: float = 66.0


@dataclass(frozen=True)
class Radial:
    """One direction of the antenna: degrees from north and above the horizon."""

    azimuth: float
    elevation: float
    moments: Sequence[Moment]


@dataclass(frozen=True)
class Volume:
    """All sweeps of one scan, and where the radar stands; ranges in metres."""

    station: str
    longitude: float
    latitude: float
    sweeps: Sequence[Sequence[Radial]]
    first_gate: int = 2125
    gate_width: int = 250
    time: datetime = field(default_factory=lambda: datetime(2016, 6, 1, 15, 0, 25, tzinfo=timezone.utc))


def write_level2(path: Path, volume: Volume) -> None:
    """Write the file."""
    days, milliseconds = _date(volume.time)
    header = struct.pack(">9s3sLL4s", b"AR2V0006.", b"001", days, milliseconds, volume.station.encode())
    padding = bytes(_METADATA_BYTES) * _METADATA_MESSAGES
    messages = _messages(volume)
    blocks = [padding] + [b"".join(messages[start:start + _RADIALS_A_BLOCK])
                          for start in range(0, len(messages), _RADIALS_A_BLOCK)]
    path.write_bytes(header + b"".join(_compressed(block, block is blocks[-1]) for block in blocks))


def _date(time: datetime) -> tuple[int, int]:
    """Count the days, 1 January 1970 being the first, and the milliseconds since midnight."""
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(midnight.timestamp()) // 86400 + 1, int((time - midnight).total_seconds() * 1000)


def _compressed(block: bytes, is_last: bool) -> bytes:
    packed = bz2.compress(block)
    return struct.pack(">l", -len(packed) if is_last else len(packed)) + packed


def _messages(volume: Volume) -> list[bytes]:
    found = []
    for number, sweep in enumerate(volume.sweeps):
        is_last_sweep = number == len(volume.sweeps) - 1
        for index, radial in enumerate(sweep):
            state = _WITHIN
            if index == 0:
                state = _START_VOLUME if number == 0 else _START_SWEEP
            elif index == len(sweep) - 1:
                state = _END_VOLUME if is_last_sweep else _END_SWEEP
            found.append(_message(volume, radial, number + 1, index + 1, state))
    return found


def _message(volume: Volume, radial: Radial, sweep: int, number: int, state: int) -> bytes:
    """Make a message of type 31, behind the empty header of the line that it once came by."""
    days, milliseconds = _date(volume.time)
    body = _body(volume, radial, sweep, number, state)
    header = struct.pack(">HBBHHIHH", (16 + len(body)) // 2, 8, 31, number, days, milliseconds, 1, 1)
    return bytes(12) + header + body


def _body(volume: Volume, radial: Radial, sweep: int, number: int, state: int) -> bytes:
    days, milliseconds = _date(volume.time)
    blocks = [*_constants(volume), *(_moment(volume, moment) for moment in radial.moments)]
    start = 32 + 4 * len(blocks)
    places = [start + sum(map(len, blocks[:index])) for index in range(len(blocks))]
    header = struct.pack(
        ">4sLHHfBxHBBBBfBBH", volume.station.encode(), milliseconds, days, number, radial.azimuth, 0,
        start + sum(map(len, blocks)), 1, state, sweep, 1, radial.elevation, 0, 0, len(blocks))
    return header + struct.pack(f">{len(places)}L", *places) + b"".join(blocks)


def _constants(volume: Volume) -> list[bytes]:
    """Describe the volume (with the place of the radar), the elevation and the radial."""
    place = struct.pack(">s3sHBBffhHfffffHH", b"R", b"VOL", 44, 1, 0, volume.latitude, volume.longitude, 400, 20,
                        -30.0, 0.0, 0.0, 0.0, 0.0, 212, 0)
    elevation = struct.pack(">s3sHhf", b"R", b"ELV", 12, -12, -45.0)
    radial = struct.pack(">s3sHHffHxxff", b"R", b"RAD", 28, 4600, -80.0, -80.0, 2600, 0.0, 0.0)
    return [place, elevation, radial]


def _moment(volume: Volume, moment: Moment) -> bytes:
    """Write the codes, an even number of bytes."""
    header = struct.pack(">s3sLHHHHhBBff", b"D", moment.name.ljust(3).encode(), 0, len(moment.codes), volume.first_gate,
                         volume.gate_width, 50, 20, 0, 8, moment.scale, moment.offset)
    codes = bytes(moment.codes)
    return header + codes + bytes(len(codes) % 2)
