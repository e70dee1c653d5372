"""Access keys of users, and of the root user beside the declared ones.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html. A secret is shown once and kept sealed.
"""

from __future__ import annotations

import msgspec

from dolmen.gateway.auth.principal import ROOT
from dolmen.gateway.iam import shapes
from dolmen.gateway.iam.call import TARGET_USER, IamCall
from dolmen.gateway.iam.fault import IamFault, limit_exceeded
from dolmen.gateway.iam.ids import new_access_key_id, new_secret
from dolmen.gateway.iam.limits import ACCESS_KEYS_OF_USER_MAX
from dolmen.gateway.iam.pages import page
from dolmen.gateway.iam.records import AccessKey, User
from dolmen.gateway.iam.wire import Given, Output

replace = msgspec.structs.replace


async def _owner(call: IamCall, given: Given) -> User | None:
    """The user whose keys are meant; None is the root user, whose keys only root may touch."""
    name = call.user_name(given)
    if not name and call.principal.kind == ROOT:
        return None
    found: User = await call.find(TARGET_USER, name)
    return found


async def _keys_of(call: IamCall, owner: User | None) -> tuple[str, ...]:
    return (await call.unit.state()).root_keys if owner is None else owner.keys


async def _set_keys(call: IamCall, owner: User | None, keys: tuple[str, ...]) -> None:
    if owner is None:
        call.unit.set_state(replace(await call.unit.state(), root_keys=keys))
    else:
        call.unit.put(replace(owner, keys=keys), owner.name)


async def create_access_key(call: IamCall, given: Given) -> Output | None:
    owner = await _owner(call, given)
    keys = await _keys_of(call, owner)
    if len(keys) >= ACCESS_KEYS_OF_USER_MAX:
        raise limit_exceeded("AccessKeysPerUser", ACCESS_KEYS_OF_USER_MAX)
    key_id = new_access_key_id(call.account_id)
    while await call.unit.get(AccessKey, key_id) is not None or call.realm.accounts.find_key(key_id) is not None:
        key_id = new_access_key_id(call.account_id)
    secret = new_secret()
    key = AccessKey(
        key_id=key_id,
        user="" if owner is None else owner.name.lower(),
        sealed_secret=call.realm.secrets.seal(secret.encode(), key_id.encode()),
        created_us=call.now_us,
    )
    call.unit.put(key, key_id)
    await _set_keys(call, owner, (*keys, key_id))
    shown = _metadata(call, owner, key)
    return {"AccessKey": {**shown, "SecretAccessKey": secret}}


def _metadata(call: IamCall, owner: User | None, key: AccessKey) -> shapes.Shape:
    return {
        "UserName": call.account.display_name if owner is None else owner.name,
        "AccessKeyId": key.key_id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": key.created_us,
    }


async def list_access_keys(call: IamCall, given: Given) -> Output | None:
    owner = await _owner(call, given)
    found = [await call.unit.get(AccessKey, key_id) for key_id in await _keys_of(call, owner)]
    items = [(f"{key.created_us:020d}{key.key_id}", _metadata(call, owner, key)) for key in found if key is not None]
    return page("AccessKeyMetadata", items, given)


async def _key(call: IamCall, given: Given) -> tuple[User | None, AccessKey]:
    owner = await _owner(call, given)
    key_id = given["AccessKeyId"]
    key = await call.unit.get(AccessKey, key_id) if key_id in await _keys_of(call, owner) else None
    if key is None:
        raise IamFault("NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")
    return owner, key


async def update_access_key(call: IamCall, given: Given) -> Output | None:
    _, key = await _key(call, given)
    if given["Status"] == "Expired":
        raise IamFault("InvalidInput", "A key becomes Active or Inactive.")
    call.unit.put(replace(key, active=given["Status"] == "Active"), key.key_id)
    return None


async def delete_access_key(call: IamCall, given: Given) -> Output | None:
    owner, key = await _key(call, given)
    call.unit.remove(AccessKey, key.key_id)
    await _set_keys(call, owner, tuple(one for one in await _keys_of(call, owner) if one != key.key_id))
    return None


async def get_access_key_last_used(call: IamCall, given: Given) -> Output | None:
    """The use of keys is not recorded: the answer is the one of a key that was never used."""
    key = await call.unit.get(AccessKey, given["AccessKeyId"])
    user = await call.unit.get(User, key.user) if key is not None and key.user else None
    call.require(call.arn("user", "/", "*") if user is None else call.arn_of(user))
    if key is None:
        raise IamFault("NoSuchEntity", f"The Access Key with id {given['AccessKeyId']} cannot be found.")
    name = call.account.display_name if user is None else user.name
    return {"UserName": name, "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}


HANDLERS = {
    "CreateAccessKey": create_access_key,
    "ListAccessKeys": list_access_keys,
    "UpdateAccessKey": update_access_key,
    "DeleteAccessKey": delete_access_key,
    "GetAccessKeyLastUsed": get_access_key_last_used,
}
