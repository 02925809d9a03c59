package training.lora.trainer.convert;

import java.util.ArrayList;
import java.util.List;
import training.lora.api.AdapterFormat;
import training.lora.api.AdapterType;

/** OneTrainer's adapter: LoRA, DoRA, LoHa or LoKr. */
final class OneTrainerAdapter {
    /** At which a LoKr's second matrix is whole. */
    private static final int MOST_RANK = 1024;

    private static final String PATH = "training.adapter.";

    /** What counts where an adapter is trained. */
    private static final List<String> KEYS =
            List.of(("peft_type lora_model_name lora_rank lora_alpha lora_decompose lora_decompose_output_axis lokr_dim"
                            + " lokr_decompose_factor lokr_full_matrix dropout_probability")
                    .split(" "));

    private final Options options;
    private final Places places;
    private final Draft draft;
    private final boolean trainsTextEncoder;

    OneTrainerAdapter(Options options, Places places, Draft draft, boolean trainsTextEncoder) {
        this.options = options;
        this.places = places;
        this.draft = draft;
        this.trainsTextEncoder = trainsTextEncoder;
    }

    /** Says of its options that they have no effect. */
    static void ignore(Options options) {
        KEYS.forEach(options::ignore);
    }

    void put() {
        String type = options.text("peft_type", "LORA");
        if (!List.of("LORA", "LOHA", "LOKR").contains(type)) {
            throw options.refused("peft_type");
        }
        if (!type.equals("LORA")) {
            draft.put("peft_type", PATH + "type", type.equals("LOHA") ? AdapterType.LoHa : AdapterType.LoKr);
            draft.put("peft_type", "output.formats", List.of(AdapterFormat.Kohya));
        } else if (options.flag("lora_decompose", false)) {
            if (!options.flag("lora_decompose_output_axis", false)) {
                throw options.refused("lora_decompose_output_axis");
            }
            draft.put("lora_decompose", PATH + "type", AdapterType.DoRA);
        }
        boolean kronecker = type.equals("LOKR");
        int rank = options.whole(kronecker ? "lokr_dim" : "lora_rank", 16);
        boolean whole = kronecker && options.flag("lokr_full_matrix", false);
        draft.put(kronecker ? "lokr_dim" : "lora_rank", PATH + "rank", whole ? MOST_RANK : rank);
        if (kronecker) {
            draft.put("lokr_decompose_factor", PATH + "factor", options.whole("lokr_decompose_factor", -1));
        }
        draft.put("lora_alpha", PATH + "alpha", options.number("lora_alpha", 1));
        double dropout = options.number("dropout_probability", 0);
        if (dropout != 0) {
            draft.put("dropout_probability", PATH + "dropout", dropout);
        }
        draft.put("layer_filter", PATH + "targets", targets());
        draft.put("text_encoder.train", PATH + "textEncoder", trainsTextEncoder);
        String before = options.text("lora_model_name");
        if (before != null) {
            draft.put(
                    "lora_model_name",
                    "training.initFrom.uri",
                    places.input(options.findings(), "lora_model_name", before));
        }
    }

    /** The filter is a list of parts of modules' names; presets are names of such lists. */
    private List<String> targets() {
        String filter = options.text("layer_filter");
        String preset = options.text("layer_filter_preset", "full");
        if (filter != null) {
            preset = filter.equals("attentions") ? "attn-mlp" : filter.equals("attn") ? "attn-only" : "custom";
        }
        return switch (preset) {
            case "full" -> List.of("Attention", "FeedForward", "Convolution");
            case "attn-mlp" -> List.of("Attention", "FeedForward");
            case "attn-only" -> List.of("Attention");
            case "custom" -> {
                List<String> targets = new ArrayList<>();
                for (String part : (filter == null ? "" : filter).split(",")) {
                    targets.add("*" + part.strip() + "*");
                }
                if (trainsTextEncoder) {
                    targets.add("text_encoder*");
                }
                yield targets;
            }
            default -> throw options.refused("layer_filter_preset");
        };
    }
}
