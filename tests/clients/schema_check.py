"""Checks events by schemas with the independent package jsonschema.

Reads lines of JSON. {"schema": …} sets the schema for the lines that follow. {"expect": true or false, "at": NAME or null,
"value": …} checks a value by the schema, or by the type NAME in its $defs. Prints unexpected results and then exits with 1.
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
