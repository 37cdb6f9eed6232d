"""In every poll only members may vote: those whose X-Group, set by the proxy before Spinvote, says so."""

from componentize_py_types import Err
from wit_world.exports import Eligibility
from wit_world.exports.eligibility import Ballot, Reason, Refusal


class Eligibility(Eligibility):
    def check(self, ballot: Ballot) -> None:
        groups = [header.value for header in ballot.headers if header.name == "x-group"]
        if groups != ["members"]:
            raise Err(
                Refusal(
                    "no-member",
                    [
                        Reason("en", "Only members may vote. Sign in, then vote again."),
                        Reason("de", "Nur Mitglieder dürfen abstimmen. Melde dich an und stimme noch einmal ab."),
                    ],
                )
            )
