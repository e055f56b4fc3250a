"""Settings that the operator passes as JSON, with the names of the resource's fields."""

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

STRICT_JSON = ConfigDict(extra="forbid", alias_generator=to_camel)
