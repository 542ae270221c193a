"""Checks events by schemas with the package jsonschema, which is not ours.

Reads lines of JSON: {"schema": …} sets the schema from then on, {"expect": true or false, "at": NAME or null, "value": …} is
checked by it, or by the type of that name in its $defs. Prints what is not as expected, and exits 1 then.
"""

import json
import sys

from jsonschema import Draft202012Validator as Validator

wrong = 0
checked = 0
for line in sys.stdin:
    case = json.loads(line)
    if "schema" in case:
        schema = case["schema"]
        Validator.check_schema(schema)
        validators = {None: Validator(schema)}
        continue
    name = case["at"]
    if name not in validators:
        assert name in schema["$defs"], f"there is no type {name}"
        validators[name] = Validator({"$defs": schema["$defs"], "$ref": f"#/$defs/{name}"})
    checked += 1
    if validators[name].is_valid(case["value"]) != case["expect"]:
        wrong += 1
        print(f"{schema['title']}, {name}: expected {case['expect']} of {json.dumps(case['value'])}")
print(f"{checked} checked, {wrong} wrong")
sys.exit(1 if wrong else 0)
