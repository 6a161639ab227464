"""The named schemas, and the features that `datasets` reads them back by."""

from __future__ import annotations

import json

import pytest

from core.errors import BadTree
from core.publish.schema import SCHEMAS, Column, Schema, features, schema_named


def test_the_features_are_what_datasets_writes() -> None:
    schema = Schema(
        "bids",
        (
            Column("subject_id", "string"),
            Column("t1w", "image"),
            Column("bold", "images"),
            Column("age", "float"),
            Column("count", "int"),
        ),
    )
    assert json.loads(json.dumps(features(schema))) == {
        "info": {
            "features": {
                "subject_id": {"dtype": "string", "_type": "Value"},
                "t1w": {"_type": "Nifti"},
                "bold": {"feature": {"_type": "Nifti"}, "_type": "List"},
                "age": {"dtype": "float64", "_type": "Value"},
                "count": {"dtype": "int64", "_type": "Value"},
            }
        }
    }


def test_datasets_understands_the_features() -> None:
    datasets = pytest.importorskip("datasets")
    for schema in SCHEMAS.values():
        said = features(schema)["info"]
        assert isinstance(said, dict)
        found = datasets.Features.from_dict(said["features"])
        assert list(found) == [column.name for column in schema.columns]
        for column in schema.images:
            kind = found[column.name]
            assert isinstance(kind if column.kind == "image" else kind.feature, datasets.Nifti)


@pytest.mark.parametrize("name", ["isles24", "arc"])
def test_a_mask_has_images_to_lie_on(name: str) -> None:
    schema = schema_named(name)
    names = [column.name for column in schema.columns]
    assert len(set(names)) == len(names)
    masks = [column for column in schema.columns if column.is_mask]
    assert masks and all(set(mask.like) <= set(names) for mask in masks)
    assert schema.column("dwi") in schema.images and schema.column("sex") in schema.scalars


def test_what_is_not_known_is_refused_with_what_is() -> None:
    with pytest.raises(BadTree) as caught:
        schema_named("isles22")
    assert "isles24, arc, bids" in caught.value.hint
    with pytest.raises(BadTree):
        schema_named("arc").column("ncct")
