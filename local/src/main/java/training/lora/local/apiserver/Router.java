package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Finds out what a request's path is about and hands it on. */
final class Router {
    private static final String CORE = "";

    private final Registry registry;
    private final Discovery discovery;
    private final OpenApi openApi;
    private final ResourceHandler resources;
    private final LogHandler logs;
    private final Store store;
    private final Tokens tokens;

    Router(Registry registry, Store store, Tokens tokens, ResourceHandler resources, LogHandler logs) {
        this.registry = registry;
        this.discovery = new Discovery(registry);
        this.openApi = new OpenApi(registry);
        this.store = store;
        this.tokens = tokens;
        this.resources = resources;
        this.logs = logs;
    }

    /** Answers; null if the answer was streamed. @throws ApiException with what is said instead */
    @Nullable Response route(Request request, String user) throws IOException {
        List<String> path = request.path();
        String first = path.isEmpty() ? "" : path.get(0);
        return switch (first) {
            case "healthz", "readyz", "livez" -> Response.ok(TextNode.valueOf("ok"));
            case "version" -> Response.ok(Discovery.version());
            case "openapi" -> openApi(path);
            case "api" ->
                path.size() == 1
                        ? Response.ok(Discovery.coreVersions())
                        : groupVersion(request, user, CORE, path.get(1), path.subList(2, path.size()));
            case "apis" -> apis(request, user, path);
            default -> throw notFound(request);
        };
    }

    private static ApiException notFound(Request request) {
        return ApiException.notFound("the server could not find the requested resource (/"
                + String.join("/", request.path()) + " is not served by this embedded API server)");
    }

    private Response openApi(List<String> path) {
        if (path.size() < 2 || !path.get(1).equals("v3")) {
            throw ApiException.notFound("the server could not find the requested resource (OpenAPI v3 only)");
        }
        return Response.ok(
                path.size() == 2 ? openApi.index() : openApi.document(String.join("/", path.subList(2, path.size()))));
    }

    private @Nullable Response apis(Request request, String user, List<String> path) throws IOException {
        return switch (path.size()) {
            case 1 -> Response.ok(discovery.groups());
            case 2 -> Response.ok(discovery.group(path.get(1)));
            default -> groupVersion(request, user, path.get(1), path.get(2), path.subList(3, path.size()));
        };
    }

    private @Nullable Response groupVersion(
            Request request, String user, String group, String version, List<String> rest) throws IOException {
        if (rest.isEmpty()) {
            return Response.ok(discovery.resources(group.isEmpty() ? version : group + "/" + version));
        }
        if (request.method().equals("POST") && rest.size() == 1) {
            Response review = review(request, user, group, rest.get(0));
            if (review != null) {
                return review;
            }
        }
        // namespaces/N/pods is in a namespace; namespaces/N and namespaces/N/status are the namespace itself.
        boolean in = rest.get(0).equals("namespaces")
                && rest.size() > 2
                && !(group.isEmpty()
                        && (rest.get(2).equals("status") || rest.get(2).equals("finalize")));
        String namespace = in ? rest.get(1) : "";
        List<String> of = in ? rest.subList(2, rest.size()) : rest;
        Resource resource = registry.find(group, version, of.get(0));
        String name = of.size() > 1 ? of.get(1) : "";
        var target = new ResourceHandler.Target(
                resource, namespace, name, of.size() > 2 ? String.join("/", of.subList(2, of.size())) : "");
        if (resource.namespaced()
                && namespace.isEmpty()
                && (!name.isEmpty() || request.method().equals("POST"))) {
            throw ApiException.badRequest("an object of " + resource.qualifiedName() + " is in a namespace");
        }
        if (resource.is("pods") && target.subresource().equals("log")) {
            logs.serve(request, target.key());
            return null;
        }
        if (resource.is("serviceaccounts") && target.subresource().equals("token")) {
            return token(request, target);
        }
        return resources.handle(request, target);
    }

    private Response token(Request request, ResourceHandler.Target target) {
        if (!request.method().equals("POST")) {
            throw ApiException.methodNotAllowed(request.method() + " of serviceaccounts/token");
        }
        ObjectNode account = store.get(target.key());
        if (account == null) {
            throw ApiException.notFound(target.resource(), target.name());
        }
        return new Response(201, tokens.request(account, request.objectBody()), List.of());
    }

    private @Nullable Response review(Request request, String user, String group, String plural) {
        switch (group + "/" + plural) {
            case "authentication.k8s.io/tokenreviews":
                return new Response(201, tokens.review(request.objectBody()), List.of());
            case "authentication.k8s.io/selfsubjectreviews": {
                ObjectNode review = request.objectBody();
                review.putObject("status").putObject("userInfo").put("username", user);
                return new Response(201, review, List.of());
            }
            case "authorization.k8s.io/selfsubjectaccessreviews": {
                ObjectNode review = request.objectBody();
                review.putObject("status").put("allowed", true).put("reason", "nothing is forbidden here");
                return new Response(201, review, List.of());
            }
            default:
                return null;
        }
    }
}
