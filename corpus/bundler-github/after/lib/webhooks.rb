module Webhooks
end
