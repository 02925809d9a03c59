package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import training.lora.api.AdapterType;

/** kohya's network: LoRA of its own module and of LyCORIS. */
final class KohyaAdapter {
    private final Options options;
    private final Options arguments;
    private final Places places;
    private final Draft draft;

    KohyaAdapter(Options options, Places places, Draft draft) {
        this.options = options;
        this.arguments = options.child("network_args");
        this.places = places;
        this.draft = draft;
    }

    /** Whether text encoders are trained too: unless one says otherwise. */
    static boolean trainsTextEncoder(Options options) {
        List<String> rates = options.texts("text_encoder_lr");
        boolean off =
                !rates.isEmpty() && rates.stream().allMatch(rate -> rate.strip().matches("0*\\.?0*(e.*)?"));
        return !options.flag("network_train_unet_only", false) && !off;
    }

    void put() {
        String adapter = "training.adapter.";
        draft.put("network_module", adapter + "type", type());
        int rank = options.whole("network_dim", 4);
        double alpha = options.number("network_alpha", 1);
        draft.put("network_dim", adapter + "rank", rank);
        draft.put("network_alpha", adapter + "alpha", alpha == 0 ? rank : alpha);
        Double dropout = options.number("network_dropout");
        if (dropout == null) {
            dropout = arguments.number("dropout");
        }
        if (dropout != null && dropout != 0) {
            draft.put("network_dropout", adapter + "dropout", dropout);
        }
        if (arguments.flag("rs_lora", false)) {
            draft.put("network_args.rs_lora", adapter + "rankStabilized", true);
        }
        List<String> targets = new ArrayList<>(List.of("Attention", "FeedForward"));
        Integer convolutions = arguments.whole("conv_dim");
        if (convolutions != null) {
            targets.add("Convolution");
            double convolutionAlpha = arguments.number("conv_alpha", 1);
            draft.origin("network_args.conv_dim", "spec.training.adapter.overrides[0].rank");
            draft.add(adapter + "overrides")
                    .put("target", "Convolution")
                    .put("rank", convolutions)
                    .set("alpha", Draft.node(convolutionAlpha == 0 ? convolutions : convolutionAlpha));
        }
        draft.put(adapter + "targets", targets);
        draft.put("network_train_unet_only", adapter + "textEncoder", trainsTextEncoder(options));
        String before = options.text("network_weights");
        if (before != null) {
            draft.put(
                    "network_weights",
                    "training.initFrom.uri",
                    places.uri(options.findings(), "network_weights", before));
        }
    }

    private AdapterType type() {
        String module = options.text("network_module", "networks.lora").toLowerCase(Locale.ROOT);
        if (module.equals("networks.lora")) {
            return AdapterType.LoRA;
        }
        JsonNode given = arguments.raw("algo");
        String algorithm = given == null ? "lora" : given.asText().toLowerCase(Locale.ROOT);
        if (!module.equals("lycoris.kohya")) {
            throw options.refused("network_module");
        }
        if (!List.of("lora", "locon").contains(algorithm)) {
            throw arguments.refused("algo");
        }
        return arguments.flag("dora_wd", false) ? AdapterType.DoRA : AdapterType.LoRA;
    }
}
