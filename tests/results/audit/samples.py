"""What the audit's tests share: the two sample logs, settings at paper scale, and configs in the published form."""

from __future__ import annotations

import random
from pathlib import Path

from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project

ROOT = Path(__file__).parents[3]
LOGS = ROOT / "tests/golden/logs"
S21, FORM_2022 = "sample_s21.log", "sample_2022.log"
IMAGES = {"voc": 10582, "ade20k": 20210, "cityscapes": 2975}


def setting(run: str, *overrides: str) -> RunSetting:
    """The setting of a run at paper scale."""
    return Project.load(ROOT / "params.yaml", "paper", overrides).setting(run)


def sets(run: str) -> str:
    """The splits of a run's dataset."""
    return Project.load(ROOT / "params.yaml", "paper").params.datasets[setting(run).dataset].sets


def text_of(name: str) -> str:
    """A sample log as it is."""
    return (LOGS / name).read_bytes().decode()


FOREIGN = (
    "/opt/torch/nn/functional.py:718: UserWarning: Named tensors are experimental",
    "  return torch.max_pool2d(input, kernel_size, stride)",
    "2021-09-13 20:00:42 WARNING  Detected call of lr_scheduler.step()",
    "2021-09-13 20:00:42 INFO     {'iou': {'aeroplane': 0.8901}, 'miou': 0.6984}",
    "2021-09-13 20:00:42,123 - mmcv - INFO - lr: 1.000e-02",
    "WARNING:root:2021-09-13 20:00:42 INFO     Rank 0 finished",
    "node1:42:42 [0] NCCL INFO Bootstrap : Using eth0:10.0.0.1<0>",
    "Processing 3/1449:  12%|#2   | 3/1449\rProcessing 4/1449:  13%|#3   | 4/1449",
    "+-----------+-------+",
    "| aeroplane | 89.01 |",
    "Traceback (most recent call last):",
    "\x1b[33mWARNING\x1b[0m  \N{FULL BLOCK}\0",
)


def among_other_lines(text: str, seed: int, lines: int = 200) -> str:
    """A log with foreign lines at random places, some of them a progress bar to which the next line is joined."""
    rng = random.Random(seed)
    pieces = text.splitlines(keepends=True)
    for _ in range(lines):
        pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(FOREIGN) + rng.choice("\n\n\n\r"))
    return "".join(pieces)


_STEPS = """[
            ('Resize', {'output_size': (2048, 512), 'keep_ratio': True, 'scale_range': (0.5, 2.0)}),
            ('RandomCrop', {'crop_size': (512, 512), 'one_category_max_ratio': 0.75}),
            ('RandomFlip', {'flip_prob': 0.5}),
            ('PhotoMetricDistortion', {}),
            ('Normalize', {'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375]}),
            ('ToTensor', {}),
            ('Padding', {'output_size': (512, 512), 'data_type': 'tensor'}),
        ]"""
_TEST_STEPS = """[
            ('Resize', {'output_size': (2048, 512), 'keep_ratio': True, 'scale_range': None}),
            ('Normalize', {'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375]}),
            ('ToTensor', {}),
        ]"""
_LOSSES = "{{'scale_factor': {weight}, 'ignore_index': 255, 'reduction': 'mean'}}"
BASE = (
    f"""'''what all runs share'''
# pictures
DATASET_CFG = {{
    'type': '', 'rootdir': '',
    'train': {{'set': 'train', 'aug_opts': {_STEPS}}},
    'test': {{'set': 'val', 'aug_opts': {_TEST_STEPS}}},
}}
LOSSES_CFG = {{
    'loss_aux': {{'celoss': {_LOSSES.format(weight=0.4)}}}, 'loss_cls': {{'celoss': {_LOSSES.format(weight=1.0)}}},
}}
"""
    + """DATALOADER_CFG = {
    'train': {'batch_size': 16, 'num_workers': 16, 'shuffle': True, 'pin_memory': True, 'drop_last': True},
    'test': {'batch_size': 1, 'num_workers': 16, 'shuffle': False, 'pin_memory': True, 'drop_last': False},
}
OPTIMIZER_CFG = {'type': 'sgd', 'lr': 0.01, 'momentum': 0.9, 'weight_decay': 5e-4, 'params_rules': {}}
SCHEDULER_CFG = {
    'type': 'poly', 'max_epochs': 0, 'power': 0.9, 'warmup_cfg': {'type': 'linear', 'ratio': 0.1, 'iters': 200},
}
SEGMENTOR_CFG = {
    'type': 'pointrend', 'num_classes': -1, 'benchmark': True, 'align_corners': False, 'backend': 'nccl',
    'norm_cfg': {'type': 'syncbatchnorm'}, 'act_cfg': {'type': 'relu', 'inplace': True},
    'backbone': {
        'type': 'resnet101', 'series': 'resnet', 'pretrained': True, 'outstride': 32, 'use_stem': True,
        'selected_indices': (0, 1, 2, 3),
    },
    'head': {
        'fpn_in_channels_list': [256, 512, 1024, 2048], 'pointrend_in_channels_list': [256],
        'feats_channels': 256, 'upsample_cfg': {'mode': 'nearest'}, 'feature_stride_list': [4, 8, 16, 32],
        'scale_head_channels': 128, 'num_fcs': 3, 'coarse_pred_each_layer': True,
        'train': {'num_points': 2048, 'oversample_ratio': 3, 'importance_sample_ratio': 0.75},
        'test': {'subdivision_steps': 2, 'subdivision_num_points': 8196, 'scale_factor': 2},
        'dropout': 0,
    },
    'auxiliary': {'in_channels': 128, 'dropout': 0, 'num_convs': 0},
}
INFERENCE_CFG = {
    'mode': 'whole', 'opts': {}, 'tricks': {'multiscale': [1], 'flip': False, 'use_probs_before_resize': False},
}
COMMON_CFG = {
    'work_dir': 'ckpts', 'logfilepath': '', 'log_interval_iterations': 50, 'eval_interval_epochs': 10,
    'save_interval_epochs': 1, 'resultsavepath': '',
}
"""
)

VOC_R50 = """'''one run'''
import os
from .base_cfg import *


DATASET_CFG = DATASET_CFG.copy()
DATASET_CFG.update({
    'type': 'voc',
    'rootdir': os.path.join(os.getcwd(), 'VOCdevkit/VOC2012'),
})
DATASET_CFG['train']['set'] = 'trainaug'
SCHEDULER_CFG = SCHEDULER_CFG.copy()
SCHEDULER_CFG.update({'max_epochs': 60})
SEGMENTOR_CFG = SEGMENTOR_CFG.copy()
SEGMENTOR_CFG.update({
    'num_classes': 21,
    'backbone': {
        'type': 'resnet50', 'series': 'resnet', 'pretrained': True, 'outstride': 32, 'use_stem': True,
        'selected_indices': (0, 1, 2, 3),
    },
})
INFERENCE_CFG = INFERENCE_CFG.copy()
COMMON_CFG = COMMON_CFG.copy()
COMMON_CFG['work_dir'] = os.path.join('ckpts', 'voc')
"""

CITYSCAPES_R101 = (
    f"""from .base_cfg import *
DATASET_CFG = DATASET_CFG.copy()
DATASET_CFG.update({{'type': 'cityscapes'}})
DATASET_CFG['train']['aug_opts'] = {_STEPS}
DATASET_CFG['test']['aug_opts'] = {_TEST_STEPS}
""".replace("512)", "1024)")
    + """DATALOADER_CFG = DATALOADER_CFG.copy()
DATALOADER_CFG['train'].update({'batch_size': 8})
SCHEDULER_CFG = SCHEDULER_CFG.copy()
SCHEDULER_CFG.update({'max_epochs': 220})
SEGMENTOR_CFG = SEGMENTOR_CFG.copy()
SEGMENTOR_CFG.update({'num_classes': 19})
"""
)


# Of 2021: the network is MODEL_CFG with a dictionary per part, the schedule belongs to the optimiser, and each dataset
# has a type.
_OLDER = (
    ("DATASET_CFG = {\n    'type': '', 'rootdir': '',\n    'train': {", "DATASET_CFG = {\n    'train': {'type': '', "),
    ("'ignore_index': 255, 'reduction': 'mean'}", "'opts': {'ignore_index': 255, 'reduction': 'mean'}}"),
    ("'batch_size'", "'type': ['nondistributed', 'distributed'][1], 'batch_size'"),
    ("'lr': 0.01, 'momentum': 0.9, 'weight_decay': 5e-4, ", "'max_epochs': 0, 'policy': {'type': 'poly', 'opts': "
     "{'power': 0.9}, 'warmup': {'type': 'linear', 'ratio': 0.1, 'iters': 200}}, 'sgd': {'learning_rate': 0.01, "
     "'momentum': 0.9, 'weight_decay': 5e-4}, "),
    (BASE[BASE.index("SCHEDULER_CFG = ") : BASE.index("SEGMENTOR_CFG = ")], ""),
    ("SEGMENTOR_CFG", "MODEL_CFG"),
    ("'head': {\n        'fpn_in", "'fpn': {'out_channels': 256, 'in"),
    ("'pointrend_in_channels_list': [256],\n        'feats_channels': 256, ", ""),
    ("'num_fcs': 3", "}, 'pointrend': {'in_channels_list': [256], 'feats_channels': 256, 'num_fcs': 3"),
    ("        'dropout': 0,\n    },", "    }, 'decoder': {'dropout': 0},"),
    ("'log_interval_iterations': 50", "'train': {'loginterval': 50}"),
)  # fmt: skip
OLDER_BASE = BASE
for _now, _then in _OLDER:
    assert _now in OLDER_BASE, _now
    OLDER_BASE = OLDER_BASE.replace(_now, _then)
OLDER_R101 = """from .base_cfg import *
DATASET_CFG = DATASET_CFG.copy()
DATASET_CFG['train'].update(
    {'type': 'ade20k', 'rootdir': 'data/ADE20k'}
)
OPTIMIZER_CFG = OPTIMIZER_CFG.copy()
OPTIMIZER_CFG.update({'max_epochs': 130})
MODEL_CFG = MODEL_CFG.copy()
MODEL_CFG.update({'num_classes': 150})
"""
# Upstream's configs of today.
REGISTERED = """import os
from .._base_ import REGISTERED_SEGMENTOR_CONFIGS, REGISTERED_DATASET_CONFIGS
SEGMENTOR_CFG = REGISTERED_SEGMENTOR_CONFIGS['POINTREND_SEGMENTOR_CFG'].copy()
SEGMENTOR_CFG['dataset'] = REGISTERED_DATASET_CONFIGS['DATASET_CFG_VOCAUG_512x512'].copy()
"""


def write_config(folder: Path, text: str, base: str = BASE) -> Path:
    """Write a run's config and its base; the path of the run's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base_cfg.py").write_text(base)
    path = folder / "run.py"
    path.write_text(text)
    return path
