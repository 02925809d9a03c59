package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.AdapterType;

/** kohya's network: LoRA of its own module and of LyCORIS. */
final class KohyaAdapter {
    /** What LyCORIS adapts without a preset. */
    private static final String FULL = "full";

    private final Options options;
    private final Options arguments;
    private final @Nullable Boolean xl;
    private final Places places;
    private final Draft draft;
    private final @Nullable LycorisPreset preset;
    private final double common;
    private final KohyaTextRates texts;

    /**
     * @param xl whether the model is SDXL; null where that isn't known
     * @param common the rate of what has none of its own
     */
    KohyaAdapter(Options options, @Nullable Boolean xl, double common, Places places, Draft draft) {
        this.xl = xl;
        this.options = options;
        this.arguments = options.child("network_args");
        this.places = places;
        this.draft = draft;
        this.preset = isLycoris() ? LycorisPreset.of(arguments.text("preset", FULL)) : null;
        this.common = common;
        texts = KohyaTextRates.of(options, xl, preset, common);
    }

    /** What is learned at which rate. */
    KohyaOptimizer.Rates rates() {
        String key = options.number("unet_lr") != null ? "unet_lr" : "learning_rate";
        return new KohyaOptimizer.Rates(key, options.number("unet_lr", common), texts.rateKey(), texts.rate());
    }

    void put() {
        String adapter = "training.adapter.";
        AdapterType type = type();
        draft.put(typeKey(), adapter + "type", type);
        if (type == AdapterType.LoHa || type == AdapterType.LoKr) {
            draft.put(typeKey(), "output.formats", List.of(AdapterFormat.Kohya));
        }
        if (type == AdapterType.LoKr) {
            draft.put("network_args.factor", adapter + "factor", arguments.whole("factor", -1));
        }
        int rank = options.whole("network_dim", 4);
        double alpha = options.number("network_alpha", 1);
        draft.put("network_dim", adapter + "rank", rank);
        draft.put("network_alpha", adapter + "alpha", alpha == 0 ? rank : alpha);
        dropout(adapter + "dropout");
        number("network_args.rank_dropout", arguments.number("rank_dropout"), adapter + "rankDropout");
        number("network_args.module_dropout", arguments.number("module_dropout"), adapter + "moduleDropout");
        number("scale_weight_norms", options.number("scale_weight_norms"), adapter + "maximumNorm");
        if (arguments.flag("rs_lora", false)) {
            draft.put("network_args.rs_lora", adapter + "rankStabilized", true);
        }
        List<String> targets = targets();
        Integer given = arguments.whole("conv_dim");
        draft.put(
                preset == null ? "" : "network_args.preset", adapter + "targets", ThreeByThree.targets(targets, given));
        if (ThreeByThree.in(targets)) {
            convolutions(given, given == null ? rank : given, alpha);
        }
        draft.put(texts.key(), adapter + "textEncoder", texts.rate() != null);
        for (String ratio : List.of("loraplus_lr_ratio", "loraplus_unet_lr_ratio")) {
            Double times = arguments.number(ratio);
            if (times != null) {
                // The second counts before the first.
                draft.put(arguments.written(ratio), "training.optimizer.loraPlusRatio", times);
            }
        }
        baseWeights();
        String before = options.text("network_weights");
        if (before != null) {
            draft.put(
                    "network_weights",
                    "training.initFrom.uri",
                    places.input(options.findings(), "network_weights", before));
        }
    }

    /**
     * 3x3 convolutions have a rank and an alpha of their own, which of LyCORIS are those of all modules where they are unset.
     *
     * @param given the rank that is given them; null for none
     * @param rank what they have
     * @param usual the alpha of all modules as it is given
     */
    private void convolutions(@Nullable Integer given, int rank, double usual) {
        Double own = arguments.number("conv_alpha");
        if (rank == 0) {
            unread("network_args.conv_alpha", arguments.raw("conv_alpha"), "no convolution has a rank");
        } else if (given != null || own != null) {
            double alpha = own != null ? own : isLycoris() ? usual : 1;
            String key =
                    own != null ? "network_args.conv_alpha" : isLycoris() ? "network_alpha" : "network_args.conv_dim";
            ThreeByThree.override(draft, "network_args.conv_dim", given, key, alpha == 0 ? rank : alpha);
        }
    }

    /** What a preset of LyCORIS adapts; sd-scripts' own networks adapt ResNets and samplers where their convolutions have a rank. */
    private List<String> targets() {
        if (!isLycoris()) {
            unread("network_args.preset", arguments.raw("preset"), "LyCORIS alone reads it");
            if (arguments.whole("conv_dim") != null) {
                return List.of("Attention", "FeedForward", "Convolution");
            }
            unread("network_args.conv_alpha", arguments.raw("conv_alpha"), "counts beside conv_dim alone");
            return List.of("Attention", "FeedForward");
        }
        if (preset == null) {
            throw arguments.refused("preset");
        }
        List<String> others = preset.others().stream()
                .filter(name -> !name.startsWith("conv_") || arguments.whole("conv_dim", 1) > 0)
                .toList();
        if (!Boolean.TRUE.equals(xl) && !others.isEmpty()) {
            options.findings()
                    .differs("%s, which the preset %s of LyCORIS adapts too, stay as they are"
                            .formatted(String.join(", ", others), arguments.text("preset", FULL)));
        }
        if (!preset.convolutions()) {
            for (String key : List.of("conv_dim", "conv_alpha")) {
                unread("network_args." + key, arguments.raw(key), "`network_args.preset` adapts no convolutions");
            }
        }
        return preset.targets();
    }

    /** LyCORIS takes its own argument where there is one, even a blank one; sd-scripts' networks take the option alone. */
    private void dropout(String path) {
        if (isLycoris() && arguments.has("dropout")) {
            number("network_args.dropout", arguments.number("dropout"), path);
            unread(
                    "network_dropout",
                    options.raw("network_dropout"),
                    "of LyCORIS network_args.dropout counts before it");
        } else {
            number("network_dropout", options.number("network_dropout"), path);
            unread("network_args.dropout", arguments.raw("dropout"), "LyCORIS alone reads it");
        }
    }

    private void unread(String key, @Nullable JsonNode value, String reason) {
        if (value != null && !options.findings().isOff(key, value)) {
            options.findings().ignores(key, reason);
        }
    }

    private void baseWeights() {
        List<String> files = options.texts("base_weights");
        List<String> shares = options.texts("base_weights_multiplier");
        for (int i = 0; i < files.size(); i++) {
            ObjectNode adapter = draft.add("baseModel.adapters")
                    .put("uri", places.input(options.findings(), "base_weights", files.get(i)));
            String path = "spec.baseModel.adapters[%d].".formatted(i);
            draft.origin("base_weights", path + "uri");
            if (i < shares.size()) {
                adapter.put("share", share(shares.get(i)));
                draft.origin("base_weights_multiplier", path + "share");
            }
        }
    }

    private double share(String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            throw options.wrong("base_weights_multiplier", "be numbers, was " + text);
        }
    }

    private void number(String key, @Nullable Double value, String path) {
        if (value != null && value != 0) {
            draft.put(key, path, value);
        }
    }

    private AdapterType type() {
        String module = options.text("network_module", "networks.lora").toLowerCase(Locale.ROOT);
        if (!isLycoris() || !arguments.flag("dora_wd", false)) {
            arguments.ignore("wd_on_output");
        }
        return switch (module) {
            case "networks.lora" -> AdapterType.LoRA;
            case "networks.loha" -> AdapterType.LoHa;
            case "networks.lokr" -> AdapterType.LoKr;
            case "lycoris.kohya" -> ofLycoris();
            default -> throw options.refused("network_module");
        };
    }

    /** The option that says which it is. */
    private String typeKey() {
        if (isLycoris() && arguments.flag("dora_wd", false)) {
            return arguments.written("dora_wd");
        }
        return isLycoris() && arguments.has("algo") ? arguments.written("algo") : "network_module";
    }

    private boolean isLycoris() {
        return options.text("network_module", "").equalsIgnoreCase("lycoris.kohya");
    }

    private AdapterType ofLycoris() {
        boolean magnitudes = arguments.flag("dora_wd", false);
        AdapterType type =
                switch (arguments.text("algo", "lora").toLowerCase(Locale.ROOT)) {
                    case "lora", "locon" -> magnitudes ? AdapterType.DoRA : AdapterType.LoRA;
                    case "loha" -> AdapterType.LoHa;
                    case "lokr" -> AdapterType.LoKr;
                    default -> throw arguments.refused("algo");
                };
        if (magnitudes && type != AdapterType.DoRA) {
            throw arguments.refused("dora_wd");
        }
        if (magnitudes && !arguments.flag("wd_on_output", true)) {
            throw arguments.refused("wd_on_output");
        }
        return type;
    }
}
