"""Settings: typed, with defaults, each organisation its own."""

from __future__ import annotations

from typing import Any

import pytest

GRACE = "core.exchange_rate_grace_days"


def value(client: Any) -> tuple[Any, bool]:
    row = client.get("settings", params={"code": f"eq.{GRACE}"}).json()[0]
    return row["value"], row["is_default"]


def test_a_setting_is_changed_and_taken_back(new_org: Any, api: Any) -> None:
    ours, theirs = api(new_org().admin_token), api(new_org().admin_token)
    assert value(ours) == (0, True)
    assert ours.post("rpc/setting_put", json={"code": GRACE, "value": 3}).json() == 3
    assert ours.post("rpc/setting_put", json={"code": GRACE, "value": 4}).json() == 4
    assert value(ours) == (4, False)
    assert value(theirs) == (0, True)
    assert ours.post("rpc/setting_put", json={"code": GRACE, "value": None}).json() == 0
    assert value(ours) == (0, True)


@pytest.mark.parametrize("wrong", ["3", True, {"days": 3}, [3]])
def test_a_value_of_another_type_is_refused(org: Any, api: Any, refused: Any, wrong: Any) -> None:
    response = api(org.admin_token).post("rpc/setting_put", json={"code": GRACE, "value": wrong})
    body = refused(response, 422, "core.setting_type")
    assert '"expected": "number"' in body["details"]


def test_the_tools_keep_to_the_type_too(org: Any, db: Any) -> None:
    with pytest.raises(Exception, match=r"core\.setting_type"):
        db.execute("insert into core.setting (org_id, code, value) values (%s, %s, '\"x\"')", [org.id, GRACE])


def test_an_unknown_setting_is_refused(org: Any, api: Any, refused: Any) -> None:
    response = api(org.admin_token).post("rpc/setting_put", json={"code": "core.nothing", "value": 1})
    refused(response, 404, "core.setting_unknown")


def test_settings_need_a_permission(org: Any, api: Any, refused: Any) -> None:
    member = api(org.token(["core.partner.update"]))
    refused(member.post("rpc/setting_put", json={"code": GRACE, "value": 1}), 403, "core.permission_missing")
    assert value(member) == (0, True)
    assert value(api(org.token(["core.setting.update"]))) == (0, True)
    assert api(org.token(["core.setting.update"])).post("rpc/setting_put", json={"code": GRACE, "value": 1}).json() == 1
