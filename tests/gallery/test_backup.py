"""A gallery as one file and back: the same rows, found in the same order at the same distances."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strongreid.errors import InputError
from strongreid.gallery import Gallery
from strongreid.gallery.backup import export_rows, import_rows
from tests.gallery.galleries import MODEL, crowd


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_restored_gallery_finds_what_its_original_finds(tmp_path: Path, metric: Any) -> None:
    people = crowd(60, 8, seed=3)
    people.features[:] *= np.linspace(0.1, 9, 60, dtype=np.float32)[:, None]
    first = Gallery.open(tmp_path / "first", metric=metric)
    first.add(people.features, model=MODEL, **people.columns())
    assert export_rows(first, tmp_path / "backup.parquet") == 60
    import_rows(Gallery.open(tmp_path / "second"), tmp_path / "backup.parquet")
    second = Gallery.open(tmp_path / "second")
    assert second.require() == first.require()
    one, other = (gallery.search(2 * people.features[:9], 60) for gallery in (first, second))
    assert one.key.tolist() == other.key.tolist()
    np.testing.assert_array_equal(one.distance, other.distance)
    opposite = Gallery.open(tmp_path / "third", metric="cosine" if metric == "euclidean" else "euclidean")
    opposite.add(people.features[:1], model=MODEL)
    with pytest.raises(InputError, match="compares features by"):
        import_rows(opposite, tmp_path / "backup.parquet")
    assert opposite.stats().count == 1


def test_no_backup_lies_where_an_erasure_should_leave_nothing(tmp_path: Path) -> None:
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(np.eye(3), model=MODEL)
    (tmp_path / "link").symlink_to(tmp_path / "gallery")
    for folder in ("gallery", "gallery/gallery.lance/data", "link"):
        with pytest.raises(InputError, match="elsewhere"):
            export_rows(gallery, tmp_path / folder / "backup.parquet")
