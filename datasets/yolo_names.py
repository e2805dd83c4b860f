"""The class names of a YOLO folder. Labels hold class ids only, and each program stores the names elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from digits.core.alphabet import DIGITS
from digits.core.errors import DatasetError
from digits.datasets.pictures import read_json, text_of

_YAML = (".yaml", ".yml")
_LISTS = (".names", ".labels")  # of Darknet and of Roboflow
_TABLES = (".csv", ".json", ".pbtxt", ".tsv", ".xml")
_SAYS_CLASSES = re.compile(r"class|categor|label.?map|(?:^|[\W_])names", re.IGNORECASE)
_SAYS_NAMES = re.compile(r"class|categor|label|name", re.IGNORECASE)
_SAYS_SPLIT = re.compile(r"train|val|test", re.IGNORECASE)  # a text file that lists pictures
_SAYS_SETTINGS = re.compile(r"conf|cfg", re.IGNORECASE)
_LONGEST = 100_000  # bytes of a class list
_INSIDE = ("images", "labels")
_UP = 2  # levels of parent folders searched: exports have a folder per split, the names above

Names = dict[int, str]


class ClassNames(NamedTuple):
    """Class names by class id. file: where they come from; None if no file names the classes, and they are the digits.

    lists: files that list classes, or seem to, and so are no labels.
    """

    names: Names
    file: Path | None
    lists: set[Path]

    def check(self, number: int) -> None:
        """Raises ValueError if there is no such class."""
        if number not in self.names:
            place = f"in {self.file}" if self.file else "(no file names them, so they are 0 to 9)"
            raise ValueError(f"there is no class {number} {place}")


def class_names(folder: Path, below: Iterable[Path], pictures: Iterable[Path]) -> ClassNames:
    """The class names of a YOLO folder.

    below: the files below its `images/` and `labels/`. Names are taken from the nearest file, in the folder or up to
    two levels above, for a link also above its target: `data.yaml`, else another YAML file with names, else a list,
    else Label Studio's `notes.json`. Raises DatasetError if files disagree, or if none has names but one may have.
    """
    picture_names = {name.lower() for picture in pictures for name in (picture.stem, picture.name)}
    levels = [_Level(files, picture_names, depth == 0) for depth, files in enumerate(_files(folder, below))]
    lists = {path for level in levels for path in level.listing}
    chosen: tuple[Path, Names] | None = None
    for level in levels:
        found = level.names(only_data=chosen is not None)
        chosen = _agreeing([*([chosen] if chosen else []), *found])
        if chosen and _is_data(chosen[0]):
            break
    if chosen:
        return ClassNames(chosen[1], chosen[0], lists)
    if broken := [error for level in levels for error in level.broken]:
        raise broken[0]
    doubtful = (path for level in levels for path in level.doubtful)
    if path := next(chain(doubtful, _settings(folder)), None):
        raise DatasetError(
            f"{path}: may name the classes, but this is not certain; name them in {folder / 'data.yaml'}, "
            "as \"names: ['0', '1', …]\", or move that file away"
        )
    return ClassNames(dict(enumerate(DIGITS)), None, lists)


def _agreeing(found: list[tuple[Path, Names]]) -> tuple[Path, Names] | None:
    """The first file and its names; DatasetError if another file has different names."""
    for path, names in found:
        if names != found[0][1]:
            raise DatasetError(f"{path}: names other classes than {found[0][0]}; remove one of them")
    return found[0] if found else None


def _homes(folder: Path) -> list[Path]:
    """The folder, its target if it is a link, and where `images` and `labels` really are if they are links."""
    whole = Path(os.path.abspath(folder))
    inside = [whole / name for name in _INSIDE]
    return [whole, whole.resolve(), *(path.resolve().parent for path in inside if path.is_symlink())]


def _files(folder: Path, below: Iterable[Path]) -> Iterator[list[Path]]:
    """Files that may name classes: in the folder, `images/` and `labels/`, then one level up, then two."""
    homes, seen = _homes(folder), set[Path]()
    for depth in range(_UP + 1):
        files = [*below] if depth == 0 else []
        for home in homes:
            if home.resolve() not in seen:
                seen.add(home.resolve())
                files += _within(home)
        yield files
        homes = [home.parent for home in homes]


def _within(folder: Path) -> list[Path]:
    """The files in a folder, sorted, without those like `._data.yaml` that macOS makes."""
    with suppress(OSError):  # a parent folder that may not be listed
        return [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("._")]
    return []


def _settings(folder: Path) -> Iterator[Path]:
    """YAML files with names that are not used: in other subfolders, and in settings folders of the parents."""
    for depth, home in enumerate([folder, *Path(os.path.abspath(folder)).parents[:_UP]]):
        with suppress(OSError):
            for inside in sorted(home.iterdir()):
                if inside.is_dir() and (_SAYS_SETTINGS.match(inside.name) if depth else inside.name not in _INSIDE):
                    yield from _named(_yamls(_within(inside)), [])


class _Level:
    """Files at one level of folders that may name classes. picture_names: in lower case. own: not a parent folder.

    listing: text files that list classes, or seem to. doubtful: files that may name classes. broken: errors of YAML
    files that may name classes.
    """

    def __init__(self, files: list[Path], picture_names: set[str], own: bool):
        self._yamls, self._own = _yamls(files), own
        others = [path for path in files if path.suffix.lower() not in _YAML and path.stem.lower() not in picture_names]
        self._notes = [path for path in others if path.name.lower() == "notes.json"]
        self._lists: list[Path] = []
        self.listing, self.doubtful = [*self._notes], list[Path]()
        self.broken: list[_BrokenYaml] = []
        for path in others:
            if (kind := _kind_of_list(path, picture_names)) is None:
                continue
            self.listing.append(path)
            if kind == "list":
                self._lists.append(path)
            elif kind == "doubtful":
                self.doubtful.append(path)

    def names(self, only_data: bool) -> list[tuple[Path, Names]]:
        """The most reliable files with names, and the names. only_data: only `data.yaml` counts."""
        data = [path for path in self._yamls if _is_data(path)]
        ways: list[tuple[Iterable[Path], Callable[[Path], Names]]] = [(data, _yaml_names)]
        if not only_data:
            ways += [(self._named(), _yaml_names), (self._lists, _listed_names), (self._notes, _noted_names)]
        for paths, names_in in ways:
            if found := [(path, names_in(path)) for path in paths]:
                return found
        return []

    def _named(self) -> list[Path]:
        found = [*_named(self._yamls, self.broken)]
        if not self._own:  # parent folders may hold other YAML files, such as templates
            self.broken = [error for error in self.broken if "names" in error.text]
        return found


class _BrokenYaml(DatasetError):
    """text: the content of the file."""

    text = ""


def _is_data(path: Path) -> bool:
    return path.stem.lower() == "data" and path.suffix.lower() in _YAML


def _yamls(files: Iterable[Path]) -> list[Path]:
    return [path for path in files if path.suffix.lower() in _YAML]


def _named(yamls: Iterable[Path], broken: list[_BrokenYaml]) -> Iterator[Path]:
    """The files with names; errors of files that cannot be read are added to `broken`."""
    for path in yamls:
        try:
            if "names" in _yaml(path):
                yield path
        except _BrokenYaml as error:
            broken.append(error)


def _kind_of_list(path: Path, picture_names: set[str]) -> str | None:
    """What a file is: "list" if it lists class names, "doubtful" if it may, "pictures" if it lists pictures, else None.

    A class list is known by its file name, as in labelImg and Darknet, or by a file name with a word such as "class"
    and two lines that are digits.
    """
    suffix = path.suffix.lower()
    if path.name.lower() == "classes.txt" or suffix in _LISTS:
        return "list"
    if suffix in _TABLES and _SAYS_CLASSES.search(path.stem):
        return "doubtful"
    try:
        lines = _lines(path) if suffix == ".txt" and path.stat().st_size <= _LONGEST else []
    except (DatasetError, OSError):
        return None
    if sum(line in [*DIGITS] for line in lines) < 2:
        return "doubtful" if suffix == ".txt" and _SAYS_CLASSES.search(path.stem) else None
    says_names = _SAYS_NAMES.search(path.stem)
    if _SAYS_SPLIT.match(path.stem) and not says_names:
        return "pictures"
    of_pictures = [line.lower() in picture_names for line in lines]
    if all(of_pictures):
        return "pictures"
    return "list" if says_names and not any(of_pictures) and len(set(lines)) == len(lines) else "doubtful"


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in text_of(path).rstrip().split("\n")]


def _listed_names(path: Path) -> Names:
    return dict(enumerate(_lines(path)))


def _noted_names(path: Path) -> Names:
    categories = read_json(path, dict).get("categories")
    try:
        pairs = [(_number(each["id"]), str(each["name"])) for each in categories]
    except (KeyError, TypeError):
        pairs = []
    if not pairs or None in dict(pairs) or len(dict(pairs)) < len(pairs):
        raise DatasetError(f"{path}: lacks the names of the classes, objects with an id and a name under 'categories'")
    return {key: name for key, name in pairs if key is not None}


def _yaml_names(path: Path) -> Names:
    """Class names by class id; DatasetError if the file has none."""
    content = _yaml(path)
    names = content.get("names")
    given: Iterable = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
    pairs = [(_number(key), name) for key, name in given]
    plain = all(key is not None and isinstance(name, (str, int, float)) for key, name in pairs)
    if not pairs or not plain or len(dict(pairs)) < len(pairs):
        raise DatasetError(f"{path}: lacks the names of the classes, a list under 'names'")
    if "kpt_shape" in content:
        raise DatasetError(f"{path}: is for key points; boxes are expected")
    return {key: str(name) for key, name in pairs if key is not None}


def _number(key: Hashable) -> int | None:
    """A class id, which may be in quotes."""
    try:
        return int(key) if isinstance(key, (int, str)) and not isinstance(key, bool) else None
    except ValueError:
        return None


class _OnceLoader(yaml.SafeLoader):
    """Refuses mappings with duplicate keys, where PyYAML takes the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a duplicate key", node.start_mark)
        return super().construct_mapping(node, deep)


def _yaml(path: Path) -> dict:
    """The content of a YAML file, {} if it is no mapping; DatasetError if it is not YAML, or has duplicate keys."""
    try:
        text = text_of(path)
    except DatasetError as error:
        raise _BrokenYaml(str(error)) from None
    try:
        content = yaml.load(text, _OnceLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = getattr(error, "problem", None)
        broken = _BrokenYaml(f"{path}: not YAML{f' ({problem})' if problem else ''}")
        broken.text = text
        raise broken from None
    return content if isinstance(content, dict) else {}
