"""The checkout's own code, edited, used, and edited back."""

from pointrend.results.run_files import STALE, STALE_SCORE
from tests.trust.attacks.attack import attack
from tests.trust.attacks.base import AGAIN
from tests.trust.attacks.site import Step, edit, restoring

Edit = tuple[str, str, str]
EVALUATE = "evaluate voc_r50"
SEGMENTERS = "pointrend/evaluation/segmenters.py"
WITHOUT_REFINEMENT = (SEGMENTERS, "label_map(inference.refined,", "label_map(inference.coarse,")
UPSIDE_DOWN = ("pointrend/training/transforms.py", "cv2.flip(image.re", "cv2.flip(image[::-1].re")
NO_THINGS = ("pointrend/datasets/voc.py", "ignored=[255]", "ignored=[255, *range(1, 21)]")


def back(change: Edit, *commands: str) -> Step:
    return restoring(change[0], edit(*change), *(f"own {command}" for command in commands))


ATTACKS = (
    attack("scoring code, edited back", STALE_SCORE, back(WITHOUT_REFINEMENT, EVALUATE), wrong=True),
    attack("training code, edited back", STALE, back(UPSIDE_DOWN, *AGAIN), wrong=True),
    attack(
        *("preparing code, edited back", "prepared by other code|prepared by different code"),
        *(back(NO_THINGS, "prepare voc"), f"{EVALUATE} -> 2"),
    ),
)
