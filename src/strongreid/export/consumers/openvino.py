"""OpenVINO's .xml as the demos of Open Model Zoo take it: BGR 0 to 255, one image at a time, normalised inside."""

import shlex
from typing import Final

from strongreid.export.openvino_file import OPENVINO
from strongreid.export.profile import Exported, Profile


def _use(exported: Exported) -> list[str]:
    file = shlex.quote(str(exported.path))
    return [f"python multi_camera_multi_target_tracking_demo.py -i VIDEO --m_detector DETECTOR.xml --m_reid {file}"]


OPENVINO_DEMOS: Final = Profile("OpenVINO", OPENVINO, _use, top=255, order="bgr", batch=1)
