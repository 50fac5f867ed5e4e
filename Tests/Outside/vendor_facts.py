"""What Twilio's and 3CX's own API descriptions say of the calls that failover makes.

Facts only: names, places, types and bounds of parameters, the answers' fields and statuses. The fakes of
vendor_fakes.py refuse what breaks them; 71-vendor-specs.py holds them against the descriptions where these are
at hand (CALLVAULT_SPECS, or ../shared/specs).
"""

SID = {kind: rf"^{kind}[0-9a-fA-F]{{32}}$" for kind in ("AC", "CA", "PN", "TK", "OU", "AP", "AD", "RI", "BU", "MG", "HX")}

_method = {"enum": ["GET", "POST"]}
_uri = {"type": "string"}
_text = {"type": "string"}
_page = {"PageSize": {"type": "integer", "minimum": 1, "maximum": 1000}, "Page": {"type": "integer", "minimum": 0},
         "PageToken": _text}

CALL_STATUS = ["queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"]


def _sid(kind):
    return {"pattern": SID[kind]}


# Each: description, path, method → query, form, what the form must have, status.
TWILIO = [
    ("trunking_v1.json", "/v1/Trunks/{Sid}", "get", {}, None, [], 200),
    ("trunking_v1.json", "/v1/Trunks/{TrunkSid}/OriginationUrls", "get", _page, None, [], 200),
    ("trunking_v1.json", "/v1/Trunks/{TrunkSid}/OriginationUrls/{Sid}", "post", {},
     {"Weight": {"type": "integer"}, "Priority": {"type": "integer"}, "Enabled": {"type": "boolean"},
      "FriendlyName": _text, "SipUrl": _uri}, [], 200),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json", "get",
     dict(_page, Beta={"type": "boolean"}, FriendlyName=_text, PhoneNumber=_text, Origin=_text), None, [], 200),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json", "get", {}, None, [], 200),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json", "post", {},
     {"AccountSid": _sid("AC"), "ApiVersion": _text, "FriendlyName": _text, "SmsApplicationSid": _sid("AP"),
      "SmsFallbackMethod": _method, "SmsFallbackUrl": _uri, "SmsMethod": _method, "SmsUrl": _uri, "StatusCallback": _uri,
      "StatusCallbackMethod": _method, "VoiceApplicationSid": _sid("AP"), "VoiceCallerIdLookup": {"type": "boolean"},
      "VoiceFallbackMethod": _method, "VoiceFallbackUrl": _uri, "VoiceMethod": _method, "VoiceUrl": _uri,
      "EmergencyStatus": {"enum": ["Active", "Inactive"]}, "EmergencyAddressSid": _sid("AD"), "TrunkSid": _sid("TK"),
      "VoiceReceiveMode": {"enum": ["voice", "fax"]}, "IdentitySid": _sid("RI"), "AddressSid": _sid("AD"),
      "BundleSid": _sid("BU")}, [], 200),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/Calls.json", "get",
     dict(_page, To=_text, From=_text, ParentCallSid=_sid("CA"), Status={"enum": CALL_STATUS}, StartTime=_text, EndTime=_text),
     None, [], 200),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/Calls.json", "post", {},
     {"To": _text, "From": _text, "Method": _method, "FallbackUrl": _uri, "FallbackMethod": _method, "StatusCallback": _uri,
      "StatusCallbackMethod": _method, "SendDigits": _text, "Timeout": {"type": "integer"}, "Record": {"type": "boolean"},
      "CallerId": _text, "TimeLimit": {"type": "integer"}, "Url": _uri, "Twiml": _text, "ApplicationSid": _sid("AP")},
     ["To", "From"], 201),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json", "get", {}, None, [], 200),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json", "post", {},
     {"Url": _uri, "Method": _method, "Status": {"enum": ["canceled", "completed"]}, "FallbackUrl": _uri,
      "FallbackMethod": _method, "StatusCallback": _uri, "StatusCallbackMethod": _method, "Twiml": _text,
      "TimeLimit": {"type": "integer"}}, [], 200),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Recordings.json", "get",
     dict(_page, DateCreated=_text), None, [], 200),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Recordings.json", "post", {},
     {"RecordingStatusCallbackEvent": {"type": "array"}, "RecordingStatusCallback": _uri,
      "RecordingStatusCallbackMethod": _method, "Trim": _text, "RecordingChannels": _text, "RecordingTrack": _text}, [], 201),
    ("api_v2010.json", "/2010-04-01/Accounts/{AccountSid}/Messages.json", "post", {},
     {"To": _text, "StatusCallback": _uri, "ApplicationSid": _sid("AP"), "MaxPrice": {"type": "number"},
      "ProvideFeedback": {"type": "boolean"}, "Attempt": {"type": "integer"}, "ValidityPeriod": {"type": "integer"},
      "ForceDelivery": {"type": "boolean"}, "From": _text, "MessagingServiceSid": _sid("MG"), "Body": _text,
      "MediaUrl": {"type": "array"}, "ContentSid": _sid("HX")}, ["To"], 201),
]

# Kinds of the ids in paths, by the name there and the folder before.
PATH_SIDS = {"AccountSid": "AC", "TrunkSid": "TK", "CallSid": "CA", "Trunks": "TK", "OriginationUrls": "OU",
             "IncomingPhoneNumbers": "PN", "Calls": "CA"}

# Fields of answers that the program reads.
TWILIO_FIELDS = [
    ("trunking_v1.json", "trunking.v1.trunk", ["sid", "disaster_recovery_url"]),
    ("trunking_v1.json", "trunking.v1.trunk.origination_url", ["sid", "enabled", "priority", "sip_url", "weight", "friendly_name"]),
    ("api_v2010.json", "api.v2010.account.incoming_phone_number",
     ["sid", "phone_number", "voice_url", "voice_fallback_url", "trunk_sid", "voice_application_sid", "emergency_status"]),
    ("api_v2010.json", "api.v2010.account.call", ["sid", "status", "trunk_sid", "parent_call_sid", "from"]),
    ("api_v2010.json", "api.v2010.account.call.call_recording", ["sid", "status"]),
    ("api_v2010.json", "api.v2010.account.message", ["sid", "status", "to", "body"]),
]

_select = ["$select", "$expand"]
_collection = ["$top", "$skip", "$search", "$filter", "$count", "$orderby"] + _select

# Each: path, method → query, entity of the answer or the body, status.
THREE_CX = [
    ("/SystemStatus", "get", _select, "Pbx.SystemStatus", 200),
    ("/Trunks", "get", _collection, "Pbx.Trunk", 200),
    ("/Services", "get", _collection, "Pbx.ServiceInfo", 200),
    ("/Users", "get", _collection, "Pbx.User", 200),
    ("/InboundRules", "get", _collection, "Pbx.InboundRule", 200),
    ("/InboundRules({Id})", "get", _select, "Pbx.InboundRule", 200),
    ("/InboundRules({Id})", "patch", [], "Pbx.InboundRule", 204),
    ("/Queues(Number={Number})", "get", _select, "Pbx.Queue", 200),
    ("/RingGroups(Number={Number})", "get", _select, "Pbx.RingGroup", 200),
    ("/OutboundRules/Pbx.GetEmergencyOutboundRules()", "get", _collection, "Pbx.OutboundRule", 200),
]

THREE_CX_PROPERTIES = {
    "Pbx.SystemStatus": ["Id", "TrunksRegistered", "TrunksTotal", "HasNotRunningServices", "CallsActive", "Version"],
    "Pbx.Trunk": ["Id", "Number", "IsOnline", "DidNumbers", "Direction", "Gateway"],
    "Pbx.ServiceInfo": ["Name", "Status", "DisplayName"],
    "Pbx.User": ["Id", "Number", "IsRegistered", "QueueStatus", "CurrentProfileName"],
    "Pbx.InboundRule": ["Id", "Condition", "Data", "CallType", "RuleName", "OfficeHoursDestination",
                        "OutOfOfficeHoursDestination", "HolidaysDestination", "AlterDestinationDuringHolidays",
                        "AlterDestinationDuringOutOfOfficeHours", "CustomData", "Hours", "TrunkDN"],
    "Pbx.Destination": ["External", "Name", "Number", "Tags", "To", "Type"],
    "Pbx.Queue": ["Id", "Number", "Agents", "Name"],
    "Pbx.RingGroup": ["Id", "Number", "Members", "Name"],
    "Pbx.OutboundRule": ["Id", "Name", "EmergencyRule", "Prefix"],
}
THREE_CX_ENUMS = {
    "Pbx.DestinationType": ["None", "VoiceMail", "Extension", "Queue", "RingGroup", "IVR", "External", "Fax", "Boomerang",
                            "Deflect", "VoiceMailOfDestination", "Callback", "RoutePoint", "ProceedWithNoExceptions"],
    "Pbx.ServiceStatus": ["Stopped", "StartPending", "StopPending", "Running", "ContinuePending", "PausePending", "Paused"],
    "Pbx.QueueStatusType": ["LoggedOut", "LoggedIn"],
}
