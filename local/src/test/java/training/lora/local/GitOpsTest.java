package training.lora.local;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import dev.cel.common.CelValidationException;
import dev.cel.common.types.SimpleType;
import dev.cel.compiler.CelCompilerFactory;
import dev.cel.parser.CelStandardMacro;
import dev.cel.runtime.CelEvaluationException;
import dev.cel.runtime.CelRuntimeFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.luaj.vm2.LuaTable;
import org.luaj.vm2.LuaValue;
import org.luaj.vm2.lib.jse.JsePlatform;
import training.lora.api.Json;

/** What Argo CD and Flux make of a LoraTraining by the files of deploy. */
final class GitOpsTest {
    private static final Path DEPLOY = Path.of("../deploy");

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{} | Progressing | inProgress",
                "{'observedGeneration':-1} | Progressing | inProgress",
                "{'observedGeneration':2,'conditions':[{'type':'Complete','status':'False'},{'type':'Reconciling','status':'True'}]} | Progressing | inProgress",
                "{'observedGeneration':2,'conditions':[{'type':'Complete','status':'True'}]} | Healthy | current",
                "{'observedGeneration':2,'conditions':[{'type':'Failed','status':'True'},{'type':'Stalled','status':'True'}]} | Degraded | failed",
                "{'observedGeneration':2,'conditions':[{'type':'Stalled','status':'True'}]} | Degraded | inProgress",
                "{'observedGeneration':2,'conditions':[{'type':'Suspended','status':'True'}]} | Suspended | inProgress"
            })
    void aStatusIsReadAsItIsMeant(String json, String argo, String flux) throws Exception {
        JsonNode status = Json.MAPPER.readTree(json.replace('\'', '"'));

        assertThat(argo(status, 2)).isEqualTo(argo);
        JsonNode expressions = Json.STRICT_YAML
                .readTree(DEPLOY.resolve("flux/kustomization.yaml").toFile())
                .at("/spec/healthCheckExprs/0");
        for (String which : new String[] {"current", "failed", "inProgress"}) {
            assertThat(holds(expressions.get(which).asText(), status)).as(which).isEqualTo(which.equals(flux));
        }
    }

    @ParameterizedTest
    @CsvSource("2,Healthy")
    void aStatusOfAnEarlierSpecIsNotBelieved(long observed, String health) throws Exception {
        JsonNode status = Json.MAPPER.readTree(
                "{\"observedGeneration\":%d,\"conditions\":[{\"type\":\"Complete\",\"status\":\"True\"}]}"
                        .formatted(observed));

        assertThat(argo(status, observed)).isEqualTo(health);
        assertThat(argo(status, observed + 1)).isEqualTo("Progressing");
    }

    private static String argo(JsonNode status, long generation) throws IOException {
        var globals = JsePlatform.standardGlobals();
        LuaTable object = new LuaTable();
        LuaTable metadata = new LuaTable();
        metadata.set("generation", LuaValue.valueOf(generation));
        object.set("metadata", metadata);
        object.set("status", lua(status));
        globals.set("obj", object);
        return globals.load(Files.readString(DEPLOY.resolve("argocd/health.lua")))
                .call()
                .get("status")
                .tojstring();
    }

    private static LuaValue lua(JsonNode value) {
        if (value.isNumber()) {
            return LuaValue.valueOf(value.asInt());
        }
        if (value.isTextual()) {
            return LuaValue.valueOf(value.asText());
        }
        LuaTable table = new LuaTable();
        for (int i = 0; i < value.size() && value.isArray(); i++) {
            table.set(i + 1, lua(value.get(i)));
        }
        value.fields().forEachRemaining(e -> table.set(e.getKey(), lua(e.getValue())));
        return table;
    }

    private static Object holds(String expression, JsonNode status)
            throws CelValidationException, CelEvaluationException {
        var compiler = CelCompilerFactory.standardCelCompilerBuilder()
                .setStandardMacros(CelStandardMacro.STANDARD_MACROS)
                .addVar("status", SimpleType.DYN)
                .build();
        var program = CelRuntimeFactory.standardCelRuntimeBuilder()
                .build()
                .createProgram(compiler.compile(expression).getAst());
        return program.eval(
                Map.of("status", Json.MAPPER.convertValue(status, new TypeReference<Map<String, Object>>() {})));
    }
}
