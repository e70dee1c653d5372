"""OpenID Connect providers. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html"""

from __future__ import annotations

import msgspec

from dolmen.gateway.iam import shapes
from dolmen.gateway.iam.call import IamCall
from dolmen.gateway.iam.fault import IamFault, invalid, limit_exceeded
from dolmen.gateway.iam.issuers import PROVIDER_KIND, checked_url, provider_arn
from dolmen.gateway.iam.limits import CLIENT_IDS_MAX, PROVIDERS_MAX, THUMBPRINTS_MAX
from dolmen.gateway.iam.pages import page
from dolmen.gateway.iam.records import OidcProvider, provider_key
from dolmen.gateway.iam.wire import Given, Output

replace = msgspec.structs.replace

def _name_of_arn(call: IamCall, arn: str) -> str:
    start = f"arn:aws:iam::{call.account_id}:{PROVIDER_KIND}"
    return arn[len(start) :].lower() if arn.startswith(start) else ""


async def _find(call: IamCall, given: Given) -> tuple[str, OidcProvider]:
    arn = given["OpenIDConnectProviderArn"]
    name = _name_of_arn(call, arn)
    provider = await call.unit.get(OidcProvider, name) if name else None
    call.require(arn, resource_tags=provider.tags if provider else None)
    if provider is None:
        raise IamFault("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}")
    return name, provider


async def create_provider(call: IamCall, given: Given) -> Output | None:
    url = checked_url(given["Url"])
    arn = provider_arn(call.account_id, url)
    tags = shapes.tags_of(given.get("Tags", ()))
    call.require(arn, request_tags=tags)
    name = provider_key(url)
    if await call.unit.get(OidcProvider, name) is not None:
        raise IamFault("EntityAlreadyExists", f"Provider with url {url} already exists.")
    if await call.unit.count(OidcProvider, 1) > PROVIDERS_MAX:
        raise limit_exceeded("OpenIDConnectProvidersPerAccount", PROVIDERS_MAX)
    provider = OidcProvider(
        url=url,
        created_us=call.now_us,
        client_ids=_checked_client_ids(tuple(dict.fromkeys(given.get("ClientIDList", ())))),
        thumbprints=_checked_thumbprints(given.get("ThumbprintList", ())),
        tags=shapes.with_tags({}, tags),
    )
    call.unit.put(provider, name)
    return {"OpenIDConnectProviderArn": arn, "Tags": shapes.tag_list(tags) if tags else None}


def _checked_client_ids(client_ids: tuple[str, ...]) -> tuple[str, ...]:
    if len(client_ids) > CLIENT_IDS_MAX:
        raise limit_exceeded("ClientIdsPerOpenIdConnectProvider", CLIENT_IDS_MAX)
    return client_ids


def _checked_thumbprints(thumbprints: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """They are kept and shown; the certificate of an issuer is checked against the trusted CAs, as AWS does it today."""
    if len(thumbprints) > THUMBPRINTS_MAX:
        raise invalid("Thumbprint list must contain fewer than 5 entries.")
    return tuple(thumbprints)


async def get_provider(call: IamCall, given: Given) -> Output | None:
    _, provider = await _find(call, given)
    return {
        "Url": provider.url.removeprefix("https://"),
        "ClientIDList": list(provider.client_ids),
        "ThumbprintList": list(provider.thumbprints),
        "CreateDate": provider.created_us,
        "Tags": shapes.tag_list(provider.tags) if provider.tags else None,
    }


async def list_providers(call: IamCall, given: Given) -> Output | None:
    call.require(f"arn:aws:iam::{call.account_id}:{PROVIDER_KIND}*")
    arns = [provider_arn(call.account_id, provider.url) async for provider in call.unit.each(OidcProvider)]
    return {"OpenIDConnectProviderList": [{"Arn": arn} for arn in arns]}


async def delete_provider(call: IamCall, given: Given) -> Output | None:
    name, _ = await _find(call, given)
    call.unit.remove(OidcProvider, name)
    await call.unit.count(OidcProvider, -1)
    return None


async def update_thumbprint(call: IamCall, given: Given) -> Output | None:
    name, provider = await _find(call, given)
    call.unit.put(replace(provider, thumbprints=_checked_thumbprints(given["ThumbprintList"])), name)
    return None


async def add_client_id(call: IamCall, given: Given) -> Output | None:
    name, provider = await _find(call, given)
    if given["ClientID"] not in provider.client_ids:
        call.unit.put(replace(provider, client_ids=_checked_client_ids((*provider.client_ids, given["ClientID"]))), name)
    return None


async def remove_client_id(call: IamCall, given: Given) -> Output | None:
    name, provider = await _find(call, given)
    kept = tuple(one for one in provider.client_ids if one != given["ClientID"])
    call.unit.put(replace(provider, client_ids=kept), name)
    return None


async def tag_provider(call: IamCall, given: Given) -> Output | None:
    tags = shapes.tags_of(given["Tags"])
    name, provider = await _find(call, given)
    call.require(given["OpenIDConnectProviderArn"], request_tags=tags, resource_tags=provider.tags)
    call.unit.put(replace(provider, tags=shapes.with_tags(provider.tags, tags)), name)
    return None


async def untag_provider(call: IamCall, given: Given) -> Output | None:
    name, provider = await _find(call, given)
    call.unit.put(replace(provider, tags=shapes.without_tags(provider.tags, given["TagKeys"])), name)
    return None


async def list_provider_tags(call: IamCall, given: Given) -> Output | None:
    _, provider = await _find(call, given)
    return page("Tags", ((tag["Key"], tag) for tag in shapes.tag_list(provider.tags)), given)


HANDLERS = {
    "CreateOpenIDConnectProvider": create_provider,
    "GetOpenIDConnectProvider": get_provider,
    "ListOpenIDConnectProviders": list_providers,
    "DeleteOpenIDConnectProvider": delete_provider,
    "UpdateOpenIDConnectProviderThumbprint": update_thumbprint,
    "AddClientIDToOpenIDConnectProvider": add_client_id,
    "RemoveClientIDFromOpenIDConnectProvider": remove_client_id,
    "TagOpenIDConnectProvider": tag_provider,
    "UntagOpenIDConnectProvider": untag_provider,
    "ListOpenIDConnectProviderTags": list_provider_tags,
}
