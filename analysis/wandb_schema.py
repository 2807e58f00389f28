"""What is read of W&B's protobuf schema, as message classes that need no wandb.

Names are free, numbers and types are not. wandb's own classes would do, but they are internal, slow
to import, and a log should be readable without wandb. The items of rows and changes are left as
bytes: most of them are read faster than protobuf would (`wandb_values`), the others by `ITEM`.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# In each message, at most one of the fields with `?` is there; a field with `*` many times.
SCHEMA = {
    "Record": "int64 num 1, Row? history 2, Changes? summary 3, Changes? config 5, "
    "Telemetry? telemetry 11, Run? run 17, Exit? exit 18",
    "Row": "bytes* item 1",
    "Changes": "bytes* update 1, bytes* remove 2",
    "Item": "string key 1, string* nested_key 2, string value_json 16, int32? none 3, "
    "bool? boolean 4, sint64? integer 5, double? number 6, string? text 7, string? json 8",
    "Telemetry": "string version 5",
    "Time": "int64 seconds 1, int32 nanos 2",
    "Run": "string id 1, string entity 2, string project 3, Changes config 4, string group 6, "
    "string job_type 7, string name 8, string notes 9, string* tags 10, Time start 17, "
    "bool resumed 18, Telemetry telemetry 19",
    "Exit": "int32 exit_code 1",
}


def _classes() -> list[Any]:
    """Build the classes in a pool of their own, where wandb's do not clash."""
    file = descriptor_pb2.FileDescriptorProto(name="log", package="log", syntax="proto3")
    for owner, fields in SCHEMA.items():
        owner_type = file.message_type.add(name=owner)
        if "?" in fields:
            owner_type.oneof_decl.add(name="one_of")
        for kind, name, number in map(str.split, fields.split(", ")):
            field = owner_type.field.add(name=name, number=int(number))
            field.label = field.LABEL_REPEATED if "*" in kind else field.LABEL_OPTIONAL
            if "?" in kind:
                field.oneof_index = 0
            if kind.islower():
                field.type = field.Type.Value(f"TYPE_{kind.strip('*?').upper()}")
            else:
                field.type, field.type_name = field.TYPE_MESSAGE, f".log.{kind.strip('*?')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"log.{name}") for name in ("Record", "Item"))
    return [message_factory.GetMessageClass(each) for each in found]


RECORD, ITEM = _classes()
