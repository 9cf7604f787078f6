"""What the audit's tests share: the two sample logs, settings at paper scale, and configs in the published form."""

from __future__ import annotations

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
BASE = (
    f"""'''what all runs share'''
# pictures
DATASET_CFG = {{
    'type': '', 'rootdir': '',
    'train': {{'set': 'train', 'aug_opts': {_STEPS}}},
    'test': {{'set': 'val', 'aug_opts': {_TEST_STEPS}}},
}}
"""
    + """DATALOADER_CFG = {'train': {'batch_size': 16, 'num_workers': 16}, 'test': {'batch_size': 1}}
OPTIMIZER_CFG = {'type': 'sgd', 'lr': 0.01, 'momentum': 0.9, 'weight_decay': 5e-4, 'params_rules': {}}
SCHEDULER_CFG = {
    'type': 'poly', 'max_epochs': 0, 'power': 0.9, 'warmup_cfg': {'type': 'linear', 'ratio': 0.1, 'iters': 200},
}
LOSSES_CFG = {'loss_aux': {'celoss': {'scale_factor': 0.4}}, 'loss_cls': {'celoss': {'scale_factor': 1.0}}}
SEGMENTOR_CFG = {
    'type': 'pointrend', 'num_classes': -1, 'align_corners': False,
    'backbone': {'type': 'resnet101', 'pretrained': True, 'outstride': 32, 'use_stem': True},
    'fpn': {'out_channels': 256, 'upsample_cfg': {'mode': 'nearest'}, 'scale_head_channels': 128},
    'pointrend': {
        'num_fcs': 3, 'feats_channels': 256, 'coarse_pred_each_layer': True,
        'train': {'num_points': 2048, 'oversample_ratio': 3, 'importance_sample_ratio': 0.75},
        'test': {'subdivision_steps': 2, 'subdivision_num_points': 8196, 'scale_factor': 2},
    },
}
INFERENCE_CFG = {'mode': 'whole'}
COMMON_CFG = {'work_dir': 'ckpts', 'logfilepath': ''}
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
    'backbone': {'type': 'resnet50', 'pretrained': True, 'outstride': 32, 'use_stem': True},
})
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


def write_config(folder: Path, text: str, base: str = BASE) -> Path:
    """Write a run's config and its base; the path of the run's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base_cfg.py").write_text(base)
    path = folder / "run.py"
    path.write_text(text)
    return path
