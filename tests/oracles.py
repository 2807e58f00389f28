"""All oracles, by task and dialect."""

import oracles_association
import oracles_copy
import oracles_data
import oracles_replies
import oracles_tracking
import oracles_values
from oracle_case import Oracle

ORACLES: dict[str, Oracle] = {
    **oracles_values.ORACLES,
    **oracles_copy.ORACLES,
    **oracles_association.ORACLES,
    **oracles_tracking.ORACLES,
    **oracles_data.ORACLES,
    **oracles_replies.ORACLES,
}
