"""docs/asyncapi.yaml, made from the structures of the contract.

`python -m tests.golden.asyncapi` writes it anew; a test holds the file to it, and another what is really sent.
"""

from pathlib import Path
from typing import Any

import yaml

from dialer.gateways import contract

PATH = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"

ORDERS = ("Place", "Bridge", "Play", "HangUp", "HandOverCall", "Seat", "Unseat", "Offer", "Tell", "Ping")
NEWS = (
    "Ringing",
    "Answered",
    "Classified",
    "Failed",
    "Bridged",
    "BridgeFailed",
    "MessageBegan",
    "Released",
    "Refused",
    "AgentNews",
    "Snapshot",
    "Pong",
)
CHANNELS: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    # channel: address, what it is, its messages, who sends
    "gatewayCommands": (
        contract.gateway_topic("{gateway}", "commands"),
        "Orders to a gateway. QoS 1, not retained; an order that is of no use any more expires.",
        ORDERS,
        "engine",
    ),
    "gatewayEvents": (
        contract.gateway_topic("{gateway}", "events"),
        "What a gateway reports, in the order of `seq`. QoS 1, not retained.",
        NEWS,
        "gateway",
    ),
    "gatewayState": (
        contract.gateway_topic("{gateway}", "state"),
        "Whether a gateway is there. QoS 1, retained; `offline` is its last will.",
        ("GatewayState",),
        "gateway",
    ),
    "engineState": (
        contract.engine_topic("{engine}"),
        "Whether an engine is there. QoS 1, retained; `offline` is its last will.",
        ("EngineState",),
        "engine",
    ),
    "campaignState": (
        contract.campaign_topic("{campaign}"),
        "How a campaign stands. QoS 1, retained.",
        ("CampaignState",),
        "engine",
    ),
    "agentCommands": (
        contract.agent_topic("{agent}", "commands"),
        "What an agent's softphone, desk or CRM says for the agent. QoS 1, not retained.",
        ("AgentCommand",),
        "desk",
    ),
    "agentState": (
        contract.agent_topic("{agent}", "state"),
        "How the engine sees an agent. QoS 1, retained.",
        ("AgentState",),
        "engine",
    ),
}


def document() -> dict[str, Any]:
    """Give the whole document."""
    refs, schemas = contract.schemas()
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for name, (address, text, messages, sender) in CHANNELS.items():
        parameter = address.split("{")[1].split("}")[0]
        channels[name] = {
            "address": address,
            "description": text,
            "parameters": {parameter: {"description": f"The name of the {parameter}."}},
            "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in messages},
        }
        operations[f"{sender}Sends{name[0].upper()}{name[1:]}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "bindings": {"mqtt": {"qos": 1, "retain": name.endswith("State")}},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "dialer over MQTT",
            "version": f"{contract.VERSION}.0.0",
            "description": "What engines, gateways and agents' desks say to each other over a broker. docs/mqtt.md "
            "explains it. A reader ignores fields that it does not know.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": contract.CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                name: {
                    "name": schemas[name]["properties"]["type"]["enum"][0],
                    "summary": schemas[name].get("description", ""),
                    "contentType": contract.CONTENT_TYPE,
                    "payload": refs[name],
                }
                for name in refs
            },
            "schemas": _plain(schemas),
        },
    }


def _plain(value: Any) -> Any:
    """Give the same without tuples, which YAML has no word for."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def text() -> str:
    """Give the document as YAML."""
    head = (
        "# Made from dialer/gateways/contract.py by `python -m tests.golden.asyncapi`. Change the structures there.\n"
    )
    return head + yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
    print(f"{PATH}: written")
