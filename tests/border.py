"""Every public name with one sound call of it: the table on which the border inputs are tried.

A row says how a name is called with its main input x, and which arguments an error may name. The others, labels and
partners, follow the length of x, so that x may be cut short.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dmlnb import data, distill, explore, geometry, losses, models, pooling, prototypes, retrieval, training

C, D, M, N = 4, 6, 5, 8  # classes, coordinates, prototypes or templates, rows
ROOMS = (geometry, prototypes, pooling, losses, retrieval, distill, models, data, training, explore)


class Row(NamedTuple):
    name: str
    call: Callable  # of x, and of the settings by name
    x: Tensor | None = None
    names: str = ""  # arguments that an error may name, beside the settings
    settings: dict[str, float] = {}  # numbers by name, each with a good value
    nan: str = "refused"  # or "kept": what is not finite stays in its own row, and is seen there


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers that every dtype can hold, as float64."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return x.to(torch.bfloat16).to(torch.float16).double()


def length(x) -> int:
    return len(x) if hasattr(x, "__len__") and getattr(x, "ndim", 1) else 1


def labels_of(x) -> Tensor:
    return torch.arange(length(x)) % C


def like(x, y: Tensor) -> Tensor:
    """A partner, in the dtype of x where that has one for partners."""
    return y.to(x.dtype) if isinstance(x, Tensor) and x.is_floating_point() else y


def within(x):
    """Two points of each class, as large as x."""
    return x[:, :2] / 2 if isinstance(x, Tensor) and x.is_floating_point() and x.ndim == 3 else many


def partner(x, *shape: int) -> Tensor:
    return like(x, drawn(N, *shape, seed=1)[: length(x)])


def module(make: Callable[[], nn.Module]) -> Callable:
    """The module with the same parameters each time, exact in every dtype, in that of x."""

    def build(x, **settings) -> nn.Module:
        torch.manual_seed(0)
        built = make(**settings)
        for parameter in built.parameters():
            parameter.data = parameter.data.to(torch.bfloat16).double()
        return built.to(x.dtype) if isinstance(x, Tensor) and x.is_floating_point() else built.double()

    return build


def called(make: Callable[[], nn.Module], *extra: Callable) -> Callable:
    """Make the module and call it with x and what the extras make of x."""
    return lambda x, **settings: module(make)(x, **settings)(x, *(more(x) for more in extra))


def trained(make: Callable[[], nn.Module]) -> Callable:
    return called(make, labels_of)


def pooled(make: Callable[[], nn.Module]) -> Callable:
    def call(x, **settings):
        layer = module(make)(x, **settings)
        return layer(x), *layer.pool(x)

    return call


def of_labels(make: Callable) -> Callable:
    """A loss of fixed embeddings as a function of its labels."""
    return lambda y: make()(drawn(length(y), D, seed=2), y)


def function(f: Callable, *extra: Callable) -> Callable:
    return lambda x, **settings: f(x, *(more(x) for more in extra), **settings)


rows, maps, labels = drawn(N, D), drawn(3, D, 4, 4), torch.arange(N) % C
tokens = drawn(3, 7, D)
grey = drawn(3, 1, 16, 16)
protos = drawn(M, D, seed=3)
many = drawn(C, 2, D, seed=4)


def net() -> nn.Module:
    return models.EmbeddingNet(models.small_resnet(), pooling.GlobalAveragePooling(), D).eval()


def staged() -> nn.Module:
    layers = {5: models.KDLayer(64, M)}
    return models.StagedClassifier(models.small_resnet(), C, layers).eval()


GEOMETRY = [
    Row("clip_to_ball", function(geometry.clip_to_ball), rows, "v", nan="kept"),
    Row("normalize", function(geometry.normalize), rows, "v", nan="kept"),
    Row(
        "pairwise_distances",
        lambda x: geometry.pairwise_distances(x, like(x, protos)),
        rows,
        "a b",
        nan="kept",
    ),
    Row(
        "pairwise_distances",
        lambda x: geometry.pairwise_distances(like(x, protos), x),
        rows,
        "a b",
        nan="free",
    ),
    Row("inner_products", lambda x: geometry.inner_products(x, like(x, protos)), rows, "a b", nan="kept"),
    Row("cover_radius", lambda x: geometry.cover_radius(x, like(x, protos)), rows, "points centres"),
    Row("cover_radius", lambda x: geometry.cover_radius(like(x, rows), x), protos, "points centres"),
    Row(
        "greedy_k_center",
        lambda x, k=2: geometry.greedy_k_center(x, within(x), k),
        drawn(C, 5, D),
        "pool current",
        {"k": 2},
    ),
    Row("interclass_distance", function(geometry.interclass_distance, labels_of), rows, "embeddings labels"),
    Row("interclass_distance", of_labels(lambda: geometry.interclass_distance), labels, "labels embeddings"),
    Row("k_center_profile", function(geometry.k_center_profile), rows, "points"),
    Row("proxy_cover", lambda x: geometry.proxy_cover(x, labels_of(x), like(x, many)), rows, "embeddings"),
    Row("proxy_cover", lambda x: geometry.proxy_cover(like(x, rows), labels, x), many, "proxies labels"),
    Row(
        "proxy_cover",
        of_labels(lambda: lambda x, y: geometry.proxy_cover(x, y, many)),
        labels,
        "labels embeddings",
    ),
    Row("proxy_spread", function(geometry.proxy_spread), many, "proxies"),
]


def prior(x) -> prototypes.LinearFit:
    return prototypes.start_fit(D, 2, 0.5)


PROTOTYPES = [
    Row(
        "kalman_update",
        lambda x: prototypes.kalman_update(prior(x), x, partner(x, 2)),
        rows,
        "attributes targets",
    ),
    Row(
        "kalman_update",
        lambda x: prototypes.kalman_update(prior(x), partner(x, D), x),
        drawn(N, 2),
        "attributes targets",
    ),
    Row(
        "recursive_fit",
        lambda x, **s: prototypes.recursive_fit(
            [(x, partner(x, 2))] * 2, **{"ridge": 0.5} | s, variant="forgetting"
        ),
        rows,
        "attributes targets batches",
        {"ridge": 0.5, "forgetting": 0.9},
    ),
    Row(
        "prior_of",
        lambda x=None, **s: prototypes.prior_of(prior(x), "forgetting", **{"ridge": 0.5} | s),
        None,
        "",
        {"ridge": 0.5, "forgetting": 0.9},
    ),
    Row(
        "start_fit",
        lambda x=None, **s: prototypes.start_fit(**{"num_prototypes": 3, "dim": 2, "ridge": 0.5} | s),
        None,
        "",
        {"num_prototypes": 3, "dim": 2, "ridge": 0.5},
    ),
    Row(
        "ridge_predictor",
        lambda x, ridge=0.5: prototypes.ridge_predictor(x, partner(x, 2), ridge),
        rows,
        "attributes targets ridge",
        {"ridge": 0.5},
    ),
    Row(
        "ridge_predictor",
        lambda x: prototypes.ridge_predictor(partner(x, D), x, 0.5),
        drawn(N, 2),
        "attributes targets ridge",
    ),
]
cost = drawn(3, M, 7).abs()
POOLING = [
    Row("GlobalAveragePooling", pooled(pooling.GlobalAveragePooling), maps, "features", nan="kept"),
    Row("GlobalMaxPooling", pooled(pooling.GlobalMaxPooling), maps, "features", nan="kept"),
    Row(
        "GeneralizedMeanPooling",
        pooled(lambda **s: pooling.GeneralizedMeanPooling(**s)),
        maps,
        "features",
        {"power": 3.0, "eps": 1e-3},
        nan="kept",
    ),
    Row(
        "AttentionPooling",
        pooled(lambda **s: pooling.AttentionPooling(**{"dim": D, "num_prototypes": M} | s)),
        maps,
        "features",
        {"dim": D, "num_prototypes": M, "sharpness": 5.0},
    ),
    Row(
        "HistogramPooling",
        pooled(lambda **s: pooling.HistogramPooling(**{"dim": D, "num_prototypes": M} | s)),
        maps,
        "features",
        {"dim": D, "num_prototypes": M, "sharpness": 5.0},
        nan="kept",
    ),
    Row(
        "GeneralizedSumPooling",
        pooled(lambda **s: pooling.GeneralizedSumPooling(**{"dim": D, "num_prototypes": M} | s)),
        maps,
        "features",
        {"dim": D, "num_prototypes": M, "sharpness": 5.0, "mass": 0.3, "power": 3.0, "memory_size": 0},
    ),
    Row(
        "GeneralizedSumPooling",
        lambda x: module(lambda: pooling.GeneralizedSumPooling(D, 3))(x).init_prototypes(x),
        rows,
        "rows",
    ),
    Row("global_average_pool", function(pooling.global_average_pool), maps, "features", nan="kept"),
    Row("global_max_pool", function(pooling.global_max_pool), maps, "features", nan="kept"),
    Row(
        "generalized_mean_pool",
        function(pooling.generalized_mean_pool),
        maps,
        "features",
        {"power": 3.0, "eps": 1e-3},
        nan="kept",
    ),
    Row(
        "gates_of_mass", lambda x, mass=0.3: pooling.gates_of_mass(x, mass)[:2], rows, "scores", {"mass": 0.3}
    ),
    Row(
        "token_scores",
        lambda x, sharpness=2.0: pooling.token_scores(x, sharpness),
        cost,
        "cost",
        {"sharpness": 2.0},
        nan="free",
    ),
    Row(
        "partial_transport",
        lambda x, mass=0.3, sharpness=2.0: planned(pooling.partial_transport(x, mass, sharpness)),
        cost,
        "cost",
        {"mass": 0.3, "sharpness": 2.0},
        nan="free",
    ),
    Row("prototype_costs", lambda x: pooling.prototype_costs(x, like(x, protos)), maps, "features"),
    Row("prototype_costs", lambda x: pooling.prototype_costs(like(x, maps), x), protos, "prototypes"),
    Row(
        "hard_histogram",
        lambda x: pooling.hard_histogram(x, like(x, protos)),
        tokens,
        "features prototypes",
        nan="refused",
    ),
    Row(
        "soft_histogram",
        lambda x, sharpness=2.0: pooling.soft_histogram(x, like(x, protos), sharpness),
        tokens,
        "features prototypes",
        {"sharpness": 2.0},
        nan="kept",
    ),
    Row(
        "soft_assignment",
        lambda x, sharpness=2.0: pooling.soft_assignment(x, like(x, protos), sharpness),
        tokens,
        "features prototypes",
        {"sharpness": 2.0},
        nan="kept",
    ),
]


def planned(plan: pooling.TransportPlan) -> tuple:
    return plan.gates, plan.weights, plan.residual, plan.log_multiplier, plan.plan


def pair_labels(x) -> Tensor:
    return losses.relaxed_labels(partner(x, D))


def reading(x, **parts) -> models.Reading:
    return models.Reading(x, **parts)


def template_targets(x) -> Tensor:
    shape = tuple(x.shape) if hasattr(x, "shape") else (3, D, 4, 4)
    return torch.full(shape, 1 / max(shape[1], 1) if len(shape) > 1 else 1.0, dtype=torch.float64)


def projecting(x, **settings):
    torch.manual_seed(0)
    head = nn.Linear(D, D).double()
    loss = losses.ChanceConstrainedLoss(losses.contrastive_loss, C, D).double()
    chance = losses.AlternatingProjection(
        head, loss, lambda i: rows[i], labels.repeat(3), **settings
    ).double()
    return chance(x, labels_of(x))


def anchored(x=None, strength=0.1):
    torch.manual_seed(0)
    return losses.ProximalAnchor(nn.Linear(2, 2).parameters(), strength).penalty()


def remembering(**settings):
    memory = losses.CrossBatchMemory(losses.contrastive_loss, **settings)
    memory.remember(rows[:3] + 1, labels[:3])
    return memory


BATCH_LOSSES = [  # functions of (embeddings, labels)
    ("contrastive_loss", losses.contrastive_loss, {"positive_margin": 0.1, "negative_margin": 0.5}),
    ("cosine_contrastive_loss", losses.cosine_contrastive_loss, {"margin": 0.5}),
    ("triplet_loss", losses.triplet_loss, {"margin": 0.05}),
    ("multi_similarity_loss", losses.multi_similarity_loss, {"alpha": 2.0, "beta": 50.0, "base": 0.5}),
    ("supcon_loss", losses.supcon_loss, {"temperature": 0.1}),
    (
        "arcface_loss",
        lambda x, y, **s: losses.arcface_loss(x, y, like(x, many[:, 0]), **s),
        {"margin": 0.5, "scale": 64.0},
    ),
    (
        "proxy_anchor_loss",
        lambda x, y, **s: losses.proxy_anchor_loss(x, y, like(x, many[:, 0]), **s),
        {"alpha": 32.0, "delta": 0.1},
    ),
    (
        "proxy_nca_loss",
        lambda x, y, **s: losses.proxy_nca_loss(x, y, like(x, many[:, 0]), **s),
        {"temperature": 0.1},
    ),
    (
        "soft_triple_loss",
        lambda x, y, **s: losses.soft_triple_loss(x, y, like(x, many), **s),
        {"scale": 70.0, "gamma": 50.0, "tau": 0.3, "margin": 0.4},
    ),
    ("pair_terms", lambda x, y, **s: losses.pair_terms(x, y, x, y, **s), {"boundary": 0.5, "margin": 0.25}),
    (
        "cross_batch_loss",
        lambda x, y, **s: losses.cross_batch_loss(x, y, like(x, many[:, 0]), **s),
        {"ridge": 0.05, "scale": 9.5},
    ),
]
SIZED = [  # modules of (embeddings, labels), with their settings
    ("ArcFaceLoss", losses.ArcFaceLoss, {"num_classes": C, "dim": D, "margin": 0.5, "scale": 64.0}),
    ("CrossBatchMemory", remembering, {"dim": D, "size": 5, "weight": 1.0}),
    ("ProxyAnchorLoss", losses.ProxyAnchorLoss, {"num_classes": C, "dim": D, "alpha": 32.0, "delta": 0.1}),
    ("ProxyNCALoss", losses.ProxyNCALoss, {"num_classes": C, "dim": D, "temperature": 0.1}),
    (
        "SoftTripleLoss",
        losses.SoftTripleLoss,
        {
            "num_classes": C,
            "dim": D,
            "centers_per_class": 3,
            "scale": 70.0,
            "gamma": 50.0,
            "tau": 0.3,
            "margin": 0.4,
        },
    ),
    ("CrossBatchLoss", losses.CrossBatchLoss, {"num_classes": C, "dim": D, "ridge": 0.05, "scale": 9.5}),
    (
        "ChanceConstrainedLoss",
        lambda **s: losses.ChanceConstrainedLoss(losses.contrastive_loss, **s),
        {"num_classes": C, "dim": D, "proxies_per_class": 3, "pair_weight": 0.5, "proxy_weight": 1.0},
    ),
]
TRANSFER = [  # modules of (target, source)
    ("RelaxedContrastiveLoss", losses.RelaxedContrastiveLoss, {"sigma": 1.0, "delta": 1.0}),
    (
        "RelaxedMultiSimilarityLoss",
        losses.RelaxedMultiSimilarityLoss,
        {"sigma": 1.0, "delta": 1.0, "alpha": 1.0, "beta": 2.0},
    ),
    ("RelationalDistanceLoss", losses.RelationalDistanceLoss, {}),
    ("RelationalAngleLoss", losses.RelationalAngleLoss, {}),
    ("ProbabilisticTransferLoss", losses.ProbabilisticTransferLoss, {"eps": 1e-7}),
    ("DarkRankLoss", losses.DarkRankLoss, {"alpha": 3.0, "beta": 3.0, "list_length": 4, "margin": 0.2}),
]
BATCH = "embeddings labels attributes anchors points anchor_labels point_labels halves"
LOSSES = [
    *(Row(name, function(f, labels_of), rows, BATCH, s) for name, f, s in BATCH_LOSSES),
    *(Row(name, of_labels(lambda f=f: f), labels, BATCH) for name, f, _ in BATCH_LOSSES),
    *(Row(name, trained(lambda f=f, s=s, **more: f(**s | more)), rows, BATCH, s) for name, f, s in SIZED),
    *(
        Row(name, lambda y, f=f, s=s: module(lambda: f(**s))(rows)(partner(y, D), y), labels, BATCH)
        for name, f, s in SIZED
    ),
    *(
        Row(name, called(f, lambda x: partner(x, D + 1)), rows, "target source views", s)
        for name, f, s in TRANSFER
    ),
    *(
        Row(name, lambda x, f=f: module(f)(x)(partner(x, D + 1), x), rows, "target source views", {})
        for name, f, s in TRANSFER
    ),
    Row("relative_distances", function(losses.relative_distances), rows, "target"),
    Row("relaxed_labels", function(losses.relaxed_labels), rows, "source", {"sigma": 1.0}),
    Row(
        "relaxed_contrastive_loss",
        function(losses.relaxed_contrastive_loss, pair_labels),
        rows,
        "target labels source",
        {"delta": 1.0},
    ),
    Row(
        "relaxed_multi_similarity_loss",
        function(losses.relaxed_multi_similarity_loss, pair_labels),
        rows,
        "target labels source views",
        {"delta": 1.0, "alpha": 1.0, "beta": 2.0, "views": 2},
    ),
    Row("class_halves", function(losses.class_halves), labels, "labels"),
    Row(
        "violation_rate",
        lambda x, threshold=0.5: losses.violation_rate(x, threshold),
        rows.abs(),
        "terms",
        {"threshold": 0.5},
    ),
    Row(
        "hinton_kd",
        lambda x, **s: losses.hinton_kd(x, partner(x, D), **s),
        rows,
        "logits teacher_logits",
        {"temperature": 4.0},
    ),
    Row("hinton_kd", lambda x: losses.hinton_kd(partner(x, D), x), rows, "logits teacher_logits"),
    Row("template_kl", lambda x: losses.template_kl(x, template_targets(x)), maps, "scores targets"),
    Row(
        "template_kl",
        lambda x: losses.template_kl(partner(x, D, 4, 4), x),
        maps.softmax(1).to(torch.bfloat16).double(),
        "scores targets",
    ),
    Row(
        "class_template_loss",
        function(losses.class_template_loss, labels_of),
        maps,
        "scores labels",
        {"per_class": 1},
    ),
    Row(
        "class_template_loss",
        lambda y: losses.class_template_loss(drawn(length(y), D, 2, 2), y),
        labels,
        "scores labels",
    ),
    Row(
        "FitNetLoss",
        lambda x: module(lambda: losses.FitNetLoss([D], [2]))(x)([x], [partner(x, 2, 4, 4)]),
        maps,
        "target_maps source_maps",
    ),
    Row(
        "AttentionTransferLoss",
        lambda x: losses.AttentionTransferLoss()([x], [partner(x, 2, 4, 4)]),
        maps,
        "target_maps source_maps",
    ),
    Row(
        "AttentionTransferLoss",
        lambda x: losses.AttentionTransferLoss()([partner(x, 2, 4, 4)], [x]),
        maps,
        "target_maps source_maps",
    ),
    Row(
        "JointLoss",
        lambda x, weight=0.1: losses.JointLoss(losses.contrastive_loss, losses.triplet_loss, weight)(
            reading(x, attributes=partner(x, D)), labels_of(x)
        ),
        rows,
        "embeddings labels reading",
        {"weight": 0.1},
    ),
    Row(
        "TemplateSupervision",
        lambda x, weight=1.0: losses.TemplateSupervision(losses.contrastive_loss, weight=weight)(
            reading(partner(x, D), scores={"5": x}), labels_of(x)
        ),
        maps,
        "scores labels embeddings",
        {"weight": 1.0},
    ),
    Row(
        "AlternatingProjection",
        projecting,
        rows,
        BATCH,
        {"pool": 4, "strength": 0.1, "decay": 1.0, "patience": 3, "longest": 5, "seed": 0},
    ),
    Row("ProximalAnchor", anchored, None, "", {"strength": 0.1}),
]


def ranks(result) -> tuple:
    return result.recall_at[1], result.map_at_r


RETRIEVAL = [
    Row(
        "evaluate",
        lambda x: ranks(retrieval.evaluate(x, labels_of(x))),
        drawn(2 * N, D),
        "embeddings labels gallery",
    ),
    Row(
        "evaluate",
        lambda y: ranks(retrieval.evaluate(drawn(length(y), D), y)),
        torch.arange(2 * N) % C,
        "embeddings labels",
    ),
    Row(
        "nearest",
        lambda x, k=3: retrieval.nearest(x, drawn(N, D, seed=5), k=k),
        rows,
        "queries gallery",
        {"k": 3},
    ),
    Row(
        "nearest",
        lambda x, k=3: retrieval.nearest(drawn(N, D, seed=5), x, k=k, metric="l2"),
        rows,
        "queries gallery k",
        {"k": 3},
    ),
    Row(
        "nearest_in_shards",
        lambda x, k=3: retrieval.nearest_in_shards(x, drawn(N, D, seed=5), k=k),
        rows,
        "queries part",
        {"k": 3},
    ),
    Row(
        "evaluate_shards",
        lambda x: ranks(retrieval.evaluate_shards(x, labels_of(x))),
        rows,
        "embeddings labels",
    ),
    Row(
        "rerank",
        lambda x, **s: retrieval.rerank(x, drawn(N, D, seed=5), **{"k": 3} | s),
        rows,
        "queries gallery",
        {"k": 3, "neighbours": 4, "expansion": 2, "weight": 0.3, "candidates": 8},
    ),
    Row("Index", lambda x: retrieval.Index(x, labels_of(x)).search(x, 1), rows, "embeddings labels queries"),
    Row(
        "choose_threshold",
        lambda x, precision=0.5: tuple(
            retrieval.choose_threshold(x, torch.arange(length(x)) % 3 > 0, precision)
        ),
        torch.arange(N, 0, -1).double(),
        "scores correct precision",
        {"precision": 0.5},
    ),
]
DISTILL = [
    Row(
        "kmeans",
        lambda x, **s: distill.kmeans(x, **{"k": 2} | s),
        rows,
        "features k",
        {"k": 2, "iterations": 5, "seed": 1},
    ),
    Row(
        "Codebook",
        lambda x, **s: module(lambda **t: distill.Codebook(protos, **t))(x, **s).targets(x),
        maps,
        "features",
        {"inverse_temperature": 1.0},
    ),
    Row("Codebook", lambda x: distill.Codebook(x).targets(maps), protos, "centres"),
    Row(
        "DecisionTemplates",
        lambda x, **s: (
            distill.DecisionTemplates.fit(x, labels_of(x), **{"subclasses": 1, "lda_dim": 2} | s).decisions
        ),
        drawn(3 * N, D),
        "features labels",
        {"subclasses": 1, "lda_dim": 2, "seed": 1, "iterations": 5},
    ),
    Row("DecisionTemplates", lambda x: templates().targets(x, labels_of(x)), maps, "features labels"),
    Row(
        "DecisionTemplates",
        lambda y: templates().targets(drawn(length(y), D, 2, 2), y),
        labels,
        "features labels",
    ),
    Row(
        "decision_matrix",
        lambda x: distill.decision_matrix(x, labels_of(x), like(x, many[:, 0])),
        rows,
        "z subclass centres",
    ),
    Row(
        "decision_matrix",
        lambda y: distill.decision_matrix(drawn(length(y), D), y, many[:, 0]),
        labels,
        "z subclass centres",
    ),
    Row(
        "discriminants",
        lambda x, dim=2: distill.discriminants(x, labels_of(x), dim),
        drawn(3 * N, D),
        "features labels",
        {"dim": 2},
    ),
    Row(
        "discriminants",
        lambda y: distill.discriminants(drawn(length(y), D), y, 2),
        torch.arange(3 * N) % C,
        "features labels",
    ),
    Row("perplexity", lambda y, k=C: distill.perplexity(y, k), labels, "assignment k", {"k": C}),
    Row(
        "LetKDLoss",
        lambda x, weight=1.0: distill.LetKDLoss({5: distill.Codebook(protos)}, weight).double()(
            reading(
                partner(x, C),
                logits=partner(x, C).double(),
                scores={"5": x},
                source=reading(None, maps={"5": partner(x, D, 4, 4).double()}),
            ),
            labels_of(x),
        ),
        drawn(3, M, 4, 4),
        "scores targets labels logits features",
        {"weight": 1.0},
    ),
]


def templates() -> distill.DecisionTemplates:
    torch.manual_seed(0)
    return distill.DecisionTemplates.fit(drawn(3 * N, D), torch.arange(3 * N) % C, 2, 2)


MODELS = [
    *(
        Row(name, function(getattr(models, name)), rows, "scores", s)
        for name, s in [
            ("hard_assignment", {"no_match": 0.1}),
            ("entropy_assignment", {"no_match": 0.1, "sharpness": 2.0}),
            ("quadratic_assignment", {"gamma": 1.0, "threshold": 0.1}),
        ]
    ),
    Row(
        "CachedBackbone",
        called(lambda **s: models.CachedBackbone(**{"channels": D} | s)),
        maps,
        "maps",
        {"channels": D},
        nan="kept",
    ),
    Row(
        "CosineTemplates",
        called(lambda **s: models.CosineTemplates(**{"channels": D, "num_templates": M} | s)),
        maps,
        "x features",
        {"channels": D, "num_templates": M, "scale": 10.0},
        nan="kept",
    ),
    Row(
        "KDLayer",
        called(lambda **s: models.KDLayer(**{"channels": D, "num_templates": M} | s)),
        maps,
        "features x",
        {"channels": D, "num_templates": M, "value_ratio": 1.0},
    ),
    Row(
        "TemplateBlock",
        called(lambda **s: models.TemplateBlock(**{"channels": D, "num_templates": M} | s).eval()),
        maps,
        "x",
        {"channels": D, "num_templates": M, "kernel_size": 1, "value_ratio": 1.0, "reduced": 3},
    ),
    Row(
        "EmbeddingNet",
        called(
            lambda **s: models.EmbeddingNet(
                models.small_resnet(), pooling.GlobalAveragePooling(), **{"dim": D} | s
            ).eval()
        ),
        grey,
        "images",
        {"dim": D},
        nan="kept",
    ),
    Row(
        "StagedClassifier",
        called(lambda **s: models.StagedClassifier(models.small_resnet(), **{"num_classes": C} | s).eval()),
        grey,
        "images x",
        {"num_classes": C},
        nan="kept",
    ),
    Row(
        "Beside",
        lambda x: module(lambda: models.Beside(net(), net()))(x).read(x).source.embeddings,
        grey,
        "images",
        nan="kept",
    ),
    Row(
        "embed",
        lambda x, **s: models.embed(module(net)(x), x, **s),
        grey,
        "images",
        {"batch_size": 2, "workers": 0},
        nan="kept",
    ),
    Row("read", lambda x: models.read(module(net)(x), x).embeddings, grey, "images", nan="kept"),
    Row(
        "read_all",
        lambda x, **s: models.read_all(module(net)(x), x, **s).embeddings,
        grey,
        "images",
        {"batch_size": 2},
        nan="kept",
    ),
    Row(
        "small_resnet",
        lambda x=None, **s: module(lambda: models.small_resnet(**{"in_channels": 1} | s).eval())(x)(grey),
        None,
        "",
        {"in_channels": 1},
    ),
]


def bags(x=None, **settings):
    return data.TokenBags(**{"num_classes": 3, "per_class": 2} | settings).tokens


def shifted(x, **settings):
    torch.manual_seed(0)
    return data.augment(x, **settings)


DATA = [
    Row(
        "ClassBatches",
        lambda y, **s: (
            data.ClassBatches(
                y, **{"classes_per_batch": 2, "samples_per_class": 2, "num_batches": 3} | s
            ).table
        ),
        labels,
        "labels",
        {"classes_per_batch": 2, "samples_per_class": 2, "num_batches": 3, "seed": 1},
    ),
    Row(
        "DisjointHalves",
        lambda y, **s: next(
            iter(
                data.DisjointHalves(
                    y, **{"classes_per_half": 2, "samples_per_class": 2, "num_batches": 3} | s
                )
            )
        ),
        labels,
        "labels classes_per_batch",
        {"classes_per_half": 2, "samples_per_class": 2, "num_batches": 3, "seed": 1},
    ),
    Row(
        "class_split",
        lambda y, **s: tuple(data.class_split(y, (0.25, 0.25, 0.5), **s)),
        labels,
        "labels parts",
        {"seed": 1},
    ),
    Row(
        "class_folds",
        lambda y, **s: data.class_folds(y, **{"folds": 2} | s),
        labels,
        "labels folds",
        {"folds": 2, "seed": 1},
    ),
    Row(
        "Glyphs",
        lambda x=None, **s: data.Glyphs("validation", **{"per_class": 1} | s).images[:40],
        None,
        "",
        {"per_class": 1, "seed": 1, "size": 32, "clutter": 1, "noise": 0.1},
    ),
    Row(
        "Collages",
        lambda x=None, **s: data.Collages("validation", **{"number": 3} | s).images,
        None,
        "",
        {"number": 3, "size": 32, "clutter": 1, "noise": 0.1, "per_class": 1, "seed": 1},
    ),
    Row(
        "TokenBags",
        bags,
        None,
        "nuisance noise per_class bag_size dim seed",
        {"num_classes": 3, "per_class": 2, "bag_size": 4, "dim": 3, "seed": 1, "nuisance": 0.5, "noise": 0.1},
    ),
    Row(
        "augment",
        shifted,
        grey,
        "images",
        {"angle": 0.1, "scale": 0.1, "shift": 0.1, "contrast": 0.1},
        nan="kept",
    ),
    Row("mirrored", function(data.mirrored), grey, "images", nan="kept"),
    Row("to_float", function(data.to_float), grey, "images", nan="kept"),
    Row(
        "photo_transforms",
        lambda x=None, size=8: data.photo_transforms(size)(torch.zeros(3, 20, 20, dtype=torch.uint8)),
        None,
        "",
        {"size": 8},
    ),
]


def optimizer(x=None, **s):
    torch.manual_seed(0)
    made = training.make_optimizer(
        nn.Linear(2, 2), None, **{"learning_rate": 0.1, "proxy_factor": 1.0, "weight_decay": 0.1} | s
    )
    return [group["lr"] for group in made.param_groups] + [
        float(group["base_lr"]) for group in made.param_groups
    ]


def one_run(x, **settings):
    small = module(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, D)))(x)
    y = settings.pop("labels", labels_of(x))
    settings = {"augment": None, "progress": False, "seed": 0} | settings
    history = training.train(small, losses.contrastive_loss, x, y, [torch.arange(length(x))], **settings)
    return [entry["loss"] for entry in history]


TRAINING = [
    Row(
        "hold_then_linear",
        lambda x=None, **s: training.hold_then_linear(**{"step": 3, "steps": 10} | s),
        None,
        "",
        {"step": 3, "steps": 10, "decay": 0.35, "warmup": 2},
    ),
    Row(
        "cosine",
        lambda x=None, **s: training.cosine(**{"step": 3, "steps": 10} | s),
        None,
        "",
        {"step": 3, "steps": 10},
    ),
    Row(
        "make_optimizer",
        optimizer,
        None,
        "",
        {"learning_rate": 0.1, "proxy_factor": 1.0, "weight_decay": 0.1},
    ),
    Row(
        "train",
        one_run,
        drawn(N, 1, 4, 4),
        "images labels loss batches embeddings",
        {
            "learning_rate": 0.01,
            "proxy_factor": 1.0,
            "weight_decay": 0.1,
            "warmup": 0,
            "clip": 1.0,
            "validate_every": 5,
            "checkpoint_every": 5,
            "stop_at": 1,
            "seed": 1,
            "workers": 0,
        },
        nan="free",
    ),
    Row(
        "train",
        lambda y: one_run(drawn(length(y), 1, 4, 4), labels=y),
        labels,
        "images labels loss batches embeddings",
    ),
]


def atlas(x, y=None, **s) -> tuple:
    made = explore.EmbeddingAtlas(x, labels_of(x) if y is None else y, **s)
    found = made.neighbours(made.names[0], 0, 2)
    return found.index, found.distance, made.hits(made.names[0]), made.points(made.names[0])


def picture(x):
    return (
        explore.EmbeddingExplorer(x, drawn(length(x), D), labels_of(x), range=(-4.0, 4.0)).png()[:4]
        == b"\x89PNG"
    )


EXPLORE = [
    Row("EmbeddingAtlas", atlas, rows, "embeddings labels", {"seed": 1}),
    Row("EmbeddingAtlas", lambda y: atlas(drawn(length(y), D), y), labels, "labels embeddings"),
    Row(
        "EmbeddingAtlas",
        lambda x: explore.EmbeddingAtlas(drawn(length(x), D), labels_of(x), coordinates=x).points(
            "embedding", "own"
        ),
        drawn(N, 2),
        "coordinates embeddings",
    ),
    Row("EmbeddingExplorer", picture, grey, "images embeddings"),
    Row("as_bytes", lambda x: np.stack([*explore.as_bytes(x, range=(-4.0, 4.0))]), grey, "images range"),
    Row("pooling_map", lambda x: explore.pooling_map(module(net)(x))(x), grey, "images", nan="kept"),
]

TABLE = [*GEOMETRY, *PROTOTYPES, *POOLING, *LOSSES, *RETRIEVAL, *DISTILL, *MODELS, *DATA, *TRAINING, *EXPLORE]
RESULTS = {  # what functions above return: they hold it, and do nothing with it
    "Assignment", "ClassSplit", "Letters", "LinearFit", "Matches", "Neighbours", "PooledFeatures", "Reading",
    "RetrievalReport", "Selection", "Threshold", "TransportPlan",
}  # fmt: skip
TRIED_ELSEWHERE = {
    # they take paths, names or other networks, or anything; where their borders are tried
    "constant": "tests/training/test_optimizer.py",
    "Backbone": "tests/models/test_backbones.py",
    "Stages": "tests/models/test_stages.py",
    "lite0_backbone": "tests/models/test_backbones.py",
    "timm_backbone": "tests/models/test_pretrained.py",
    "torchvision_backbone": "tests/models/test_backbones.py",
    "export_onnx": "tests/models/test_saved.py",
    "load_embedder": "tests/models/test_saved.py",
    "save_embedder": "tests/models/test_saved.py",
    "FeatureMaps": "tests/data/test_maps.py",
    "ImageFiles": "tests/data/test_files.py",
    "LITE0": "a dictionary",
    "cars196": "tests/data/test_public_sets.py",
    "cifar100": "tests/data/test_torchvision_sets.py",
    "cub200": "tests/data/test_public_sets.py",
    "cyrillic_letters": "tests/data/test_letters.py",
    "image_folder": "tests/data/test_files.py",
    "image_table": "tests/data/test_files.py",
    "in_shop": "tests/data/test_public_sets.py",
    "omniglot": "tests/data/test_torchvision_sets.py",
    "online_products": "tests/data/test_public_sets.py",
    "open_image": "tests/data/test_pictures.py",
    "load_checkpoint": "tests/training/test_checkpoints.py",
    "modules_of": "tests/training/test_held.py",
    "save_checkpoint": "tests/training/test_checkpoints.py",
    "read_folder": "tests/explore/test_tiles.py",
}
