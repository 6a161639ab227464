"""What the campaigns against the Hub share with the Hub's own tests."""

from tests.hub.conftest import shards as shards
