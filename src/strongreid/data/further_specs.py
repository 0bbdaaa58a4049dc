"""Further public benchmarks: the small ones of two cameras, vehicles, and the frames of video sets.

None of these sets was at hand: how they lie, and their counts, were read from public readers of them (torchreid's,
fast-reid's) and from the sets' own descriptions.
"""

from strongreid.data.layouts import (
    RESEARCH,
    Benchmark,
    Counts,
    IlidsVid,
    Mars,
    Names,
    Pairs,
    VehicleId,
    VeriWild,
)

_FEW = "Papers average over 10 random splits; `split_seed` chooses."
_VEHICLE_ID_SOURCE = (
    "Liu et al., Deep Relative Distance Learning: Tell the Difference Between Similar Vehicles, CVPR 2016"
)
_VERI_WILD_SOURCE = "Lou et al., VERI-Wild: A Large Dataset and a New Method for Vehicle Re-Identification, CVPR 2019"
_ASKED_FOR = "Academic research only; to be asked for from its authors."

FURTHER = (
    Benchmark(
        name="viper",
        title="VIPeR",
        layout=Pairs("cam_a", "cam_b", Names(r"(?P<person>\d+)_\d+(?i:\.bmp)", "001_45.bmp")),
        cameras=2,
        published={"train": Counts(316, 632, 2), "query": Counts(316, 316, 1), "gallery": Counts(316, 316, 1)},
        terms=RESEARCH,
        source="Gray et al., Evaluating Appearance Models for Recognition, Reacquisition, and Tracking, PETS 2007",
        url="https://vision.soe.ucsc.edu/node/178",
        note=f"No published split: half of the people train. {_FEW}",
    ),
    Benchmark(
        name="prid2011",
        title="PRID2011, single shot",
        layout=Pairs(
            "single_shot/cam_a",
            "single_shot/cam_b",
            Names(r"person_(?P<person>\d+)(?i:\.png)", "person_0001.png"),
            shared=200,
        ),
        cameras=2,
        published={"train": Counts(100, 200, 2), "query": Counts(100, 100, 1), "gallery": Counts(649, 649, 1)},
        terms=RESEARCH,
        source="Hirzer et al., Person Re-Identification by Descriptive and Discriminative Classification, SCIA 2011",
        url="https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/PRID11/",
        note="People 1 to 200 are in both cameras: half of them train; those whom camera B alone saw join the gallery. "
        f"{_FEW}",
    ),
    Benchmark(
        name="grid",
        title="QMUL underground (GRID)",
        layout=Pairs(
            "probe",
            "gallery",
            Names(r"(?P<person>\d+)_(?P<camera>\d+)_.*(?i:\.jpe?g)", "0001_1_25004_107_32_106_221.jpeg"),
        ),
        cameras=8,
        published={"train": Counts(125, 250), "query": Counts(125, 125), "gallery": Counts(126, 900)},
        terms=RESEARCH,
        source="Loy, Xiang, Gong: Multi-Camera Activity Correlation Analysis, CVPR 2009",
        url="https://personal.ie.cuhk.edu.hk/~ccloy/downloads_qmul_underground_reid.html",
        note=f"Its own ten partitions lie in a MATLAB structure that is not read: half of the people train. {_FEW}",
    ),
    *(
        Benchmark(
            name=f"vehicleid_{test}",
            title=f"VehicleID, {test} test vehicles",
            layout=VehicleId(test),
            cameras=None,
            published={
                "train": Counts(13_164, 113_346),
                "query": Counts(test, queries),
                "gallery": Counts(test, test),
            },
            terms=_ASKED_FOR,
            source=_VEHICLE_ID_SOURCE,
            url="https://www.pkuml.org/resources/pku-vehicleid.html",
            getting="ask its authors",
            note="Cameras are not known. One image of each vehicle, drawn with `split_seed`, is the gallery, the "
            "others are queries; papers average over 10 draws.",
        )
        for test, queries in ((800, 5_693), (1_600, 11_777), (2_400, 17_377))
    ),
    *(
        Benchmark(
            name=f"veri_wild_{test}",
            title=f"VERI-Wild, {test} test vehicles",
            layout=VeriWild(test),
            cameras=None,
            published={
                "train": Counts(30_671, 277_797),
                "query": Counts(test, test),
                "gallery": Counts(test, images),
            },
            terms=_ASKED_FOR,
            source=_VERI_WILD_SOURCE,
            url="https://github.com/PKU-IMRE/VERI-Wild",
            getting="ask its authors",
        )
        for test, images in ((3_000, 38_861), (5_000, 64_389), (10_000, 128_517))
    ),
    Benchmark(
        name="mars",
        title="MARS, frames as images",
        layout=Mars(),
        cameras=6,
        published={"train": Counts(625, 509_914, 6), "query": Counts(626), "gallery": Counts()},
        terms=RESEARCH,
        source="Zheng et al., MARS: A Video Benchmark for Large-Scale Person Re-identification, ECCV 2016",
        url="https://zheng-lab.cecs.anu.edu.au/Project/project_mars.html",
        note="Its protocol compares tracks; here each frame is an image, with its track beside it.",
    ),
    Benchmark(
        name="ilids_vid",
        title="iLIDS-VID, frames as images",
        layout=IlidsVid(),
        cameras=2,
        published={"train": Counts(150, None, 2), "query": Counts(150, None, 1), "gallery": Counts(150, None, 1)},
        terms=RESEARCH,
        source="Wang et al., Person Re-Identification by Video Ranking, ECCV 2014",
        url="https://xiatian-zhu.github.io/downloads_qmul_iLIDS-VID_ReID_dataset.html",
        note="Its protocol compares tracks; here each frame is an image, with its track beside it. `split_seed`, 0 to "
        "9, chooses one of its ten splits; queries are of camera 1.",
    ),
)
"""They are listed after the others."""
